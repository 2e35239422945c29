/**
 * A panel that shows what a client does, and does harm to its connection on purpose. It is loaded by `client.devtools()`.
 *
 * @packageDocumentation
 */
/** The panel, and the faults that it can inject, for tests as well. */
export interface Devtools {
    /** The custom element, `<starling-devtools>`. */
    readonly element: HTMLElement;
    /** Breaks the connection. */
    drop(): void;
    /** Makes each way take so much longer, in milliseconds. */
    delay(ms: number): void;
    /** Loses the next frame, and all that follow on its connection, until that is found to be dead. */
    lose(): void;
    /** Blocks a transport, as a proxy would, or lets it pass again. */
    block(transport: 'websocket' | 'sse' | 'poll', blocked: boolean): void;
    /** Ends the session as the server does when the token has ended. */
    expire(): void;
    /** Takes the panel away, and all faults back. */
    close(): void;
}
