import { type Command, type Fields, readMessage } from '../protocol.js';
import type { Listener, Wire } from '../wire.js';

/** @internal A session at the leader's session: it lives as long as that does. */
export interface TabWire extends Wire {
  /** The leader says something. */
  take(fields: Fields): void;
}

/** @internal */
export function tabWire(on: Listener, send: (command: Command) => void): TabWire {
  queueMicrotask(() => on.open(''));
  return {
    asks: false,
    shared: true,
    send,
    // The leader watches the socket, and lets newer signals replace those that wait.
    backlog: () => 0,
    take(fields) {
      const m = readMessage(fields);
      if (m) on.message(m);
    },
    close() {}, // the session hears nothing after it
  };
}
