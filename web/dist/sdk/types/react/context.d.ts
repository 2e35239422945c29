import { type ReactElement, type ReactNode } from 'react';
import type { Client } from '../client.js';
/** Gives a client to the hooks below it. Make the client once, outside of components: it connects when a hook needs it. */
export declare function StarlingProvider({ client, children }: {
    readonly client: Client;
    readonly children?: ReactNode;
}): ReactElement;
/** The client of the nearest {@link StarlingProvider}. */
export declare function useClient(): Client;
