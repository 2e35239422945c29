// What the three transports have in common.

import type { End, TransportName } from './machine.js';
import type { Tabs } from './tabs/bus.js';
import { type Command, codes, type Message, type Refusal } from './protocol.js';

/** The WebSocket of the browser, or one that is like it. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** What makes a {@link WebSocketLike}: the global `WebSocket`, or that of the package `ws`. */
export type WebSocketMaker = new (url: string, protocol: string) => WebSocketLike;

/** Something that went over the wire, for inspectors. */
export interface Frame {
  readonly direction: 'in' | 'out';
  readonly transport: TransportName;
  /** The type of a message, or of a request. */
  readonly kind: string;
  readonly text: string;
}

/** @internal What the outside gives: real, or made by a test. */
export interface Environment {
  now(): number;
  random(): number;
  setTimeout(f: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  readonly WebSocket: WebSocketMaker | undefined;
  readonly fetch: typeof fetch;
  readonly indexedDB?: IDBFactory | undefined;
  readonly locks?: LockManager | undefined;
  /** The page, if it is not the one there is. */
  readonly page?: { readonly window: EventTarget; readonly document: EventTarget & { readonly visibilityState: string } };
  /** Set by devtools, to come between. */
  tamper?: (transport: TransportName, connect: Connect) => Connect;
  readonly tabs?: Tabs | undefined;
  readonly storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;
}

/** @internal Where a wire leads, and what it asks for while it is opened. */
export interface Place {
  /** The address of the server, with a slash at its end. */
  readonly base: string;
  readonly token: string;
  /** For the transports that ask in a query: what to follow, and from where. */
  readonly channels: readonly string[];
  readonly since: string;
}

/** @internal What a wire says. */
export interface Listener {
  /** Commands can be sent. The session is empty where it is not known yet. */
  open(session: string): void;
  message(m: Message): void;
  /** All channels that were asked for in the query stand here. */
  position(position: string): void;
  /** What was said so far tells which channels have missed something. */
  settled(): void;
  /** There was a sign of life. */
  heard(): void;
  /** There is room to send again. */
  drained(): void;
  /** It is over. What a wire says after that, or after it was closed, is not heard. */
  end(end: End): void;
  frame(direction: Frame['direction'], kind: string, text: string): void;
}

/** @internal One session over one transport. */
export interface Wire {
  /** Whether the channels were asked for in the query, and session and positions are told by the wire. */
  readonly asks: boolean;
  /** Whether the session is shared with other tabs. */
  readonly shared?: boolean;
  send(command: Command): void;
  /** How many bytes wait to go out. */
  backlog(): number;
  close(): void;
}

/** @internal */
export type Connect = (place: Place, on: Listener, env: Environment) => Wire;

/** @internal What is asked in an address. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

/** @internal The address of a door of the server. */
export function address(base: string, door: string, query: Query = {}): string {
  const url = new URL(door, base);
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : value) if (one) url.searchParams.append(name, one);
  }
  return url.href;
}

/** @internal */
export const ended = (kind: End['kind'], message: string, after?: number): End => ({ kind, code: 0, message, retry: true, after });

/** @internal The end of a wire that broke, or could not be opened. */
export const broken = (transport: TransportName, opened: boolean, message = opened ? 'The connection was lost.' : `The connection over ${transport} could not be opened.`, after?: number): End => ended(opened ? 'lost' : 'unreachable', message, after);

/** @internal The end of a wire that the server refused. */
export const endOf = ({ code, message, retry }: Refusal, after?: number): End => ({ kind: code === codes.draining ? 'draining' : 'refused', code, message, retry, after });
