// What the tabs of one browser say to each other.

import type { ConnectionState } from '../machine.js';
import type { Command, Fields } from '../protocol.js';

/** @internal What tabs need of their browser. */
export interface Tabs {
  readonly locks: Pick<LockManager, 'request'>;
  /** Opens a channel on which each hears the others, in their order. */
  open(name: string): Bus;
  visible(): boolean;
}

/** @internal */
export interface Bus {
  onmessage: ((event: never) => void) | null;
  postMessage(said: Said): void;
  close(): void;
}

/** @internal What happens in one tab and concerns the connection of all. */
export type Wish = { readonly type: 'connect' | 'offline' | 'visible' | 'hello' | 'bye' } | { readonly type: 'wake'; readonly anew: boolean };

/** @internal */
export type Said =
  | { readonly type: 'wish'; readonly by: string; readonly wish: Wish }
  | { readonly type: 'command'; readonly by: string; readonly life: string; readonly command: Command }
  /** What the connection is, and the life of its session, which is empty as long as there is none. */
  | { readonly type: 'state'; readonly leader: string; readonly state: ConnectionState; readonly life: string; readonly user: string | null }
  /** The leader leads no more. */
  | { readonly type: 'gone'; readonly leader: string }
  /** What the server says, for some of the tabs. */
  | { readonly type: 'message'; readonly to: readonly string[]; readonly life: string; readonly message: Fields }
  /** One that is seen shall lead. */
  | { readonly type: 'heir'; readonly to: string }
  | { readonly type: 'logout' };
