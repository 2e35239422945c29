import type { TransportName } from './machine.js';
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
