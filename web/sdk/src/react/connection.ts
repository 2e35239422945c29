import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { ConnectionState } from '../machine.js';
import { useClient } from './context.js';

/** What the connection is, and whom the server takes the client for. */
export interface ConnectionView {
  readonly state: ConnectionState;
  /** Empty if the client is anonymous, or it is not known yet. */
  readonly user: string;
  /** Connects at once, also after a failure, and instead of waiting. */
  connect(): void;
  disconnect(): void;
}

const SERVER: ConnectionState = { name: 'idle' };

/** The state of the connection. It does not connect by itself: what needs the connection does. */
export function useConnection(): ConnectionView {
  const client = useClient();
  // Of the client's state there is a new object whenever it is asked for, so it is kept.
  const kept = useRef<ConnectionView | null>(null);
  const read = useCallback((): ConnectionView => {
    const { state, user } = client;
    const old = kept.current;
    if (old && old.user === user && JSON.stringify(old.state) === JSON.stringify(state)) return old;
    kept.current = { state, user, connect: () => client.connect(), disconnect: () => client.disconnect() };
    return kept.current;
  }, [client]);
  const subscribe = useCallback((changed: () => void) => {
    const offs = [client.on('state', changed), client.on('user', changed)];
    return () => {
      for (const off of offs) off();
    };
  }, [client]);
  const server = useCallback((): ConnectionView => {
    served.current ??= { state: SERVER, user: '', connect: () => client.connect(), disconnect: () => client.disconnect() };
    return served.current;
  }, [client]);
  const served = useRef<ConnectionView | null>(null);
  return useSyncExternalStore(subscribe, read, server);
}
