import { createContext, createElement, type ReactElement, type ReactNode, useContext } from 'react';
import type { Client } from '../client.js';

const Context = createContext<Client | null>(null);

/** Gives a client to the hooks below it. Make the client once, outside of components: it connects when a hook needs it. */
export function StarlingProvider({ client, children }: { readonly client: Client; readonly children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the nearest {@link StarlingProvider}. */
export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error('There is no <StarlingProvider client={…}> around this component.');
  return client;
}
