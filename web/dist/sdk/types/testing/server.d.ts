import { type Client, type ClientOptions } from '../index.js';
import { TestClock } from './clock.js';
/** How a test server behaves. */
export interface TestServerOptions {
    /** How many publications a channel keeps; all unless told. What was removed is a `reset` for who was away. */
    readonly keep?: number;
    /** Whom the server takes a client for; anonymous unless told. Throw to refuse a token. */
    readonly authenticate?: (token: string) => string;
    /** Whether a user may do something on a channel; always unless told. */
    readonly authorize?: (user: string, verb: 'subscribe' | 'publish' | 'signal' | 'history', channel: string) => boolean;
    /** Answers `client.call`; refused with 4006 unless told. */
    readonly call?: (method: string, data: unknown, user: string) => unknown;
}
/** What lies between the clients and the server. */
export interface TestNetwork {
    /** Whether a connection can be opened. Those that are open stay. */
    online: boolean;
    /** How long each way takes, in milliseconds. */
    delay: number;
    /** Breaks all connections: what is under way is lost. */
    cut(): void;
}
/**
 * A server in memory for the unit tests of an application, with clients of the real kind.
 *
 * ```ts
 * const server = new TestServer();
 * const client = server.client();
 * const chat = client.channel('chat');
 * chat.on('publication', show);
 * await server.clock.pass(100);
 * server.publish('chat', { text: 'hello' });
 * await server.clock.pass(100);
 * ```
 *
 * It speaks WebSocket, keeps what is published, and knows signals, history, filters by tags, calls and tokens. It has no wildcards.
 */
export declare class TestServer {
    #private;
    readonly clock: TestClock;
    readonly network: TestNetwork;
    constructor(options?: TestServerOptions);
    /** Makes a client of this server. It knows this network and this clock only. */
    client(options?: ClientOptions): Client;
    /** How many clients are connected. */
    get connected(): number;
    /** Publishes, as an application's backend does. */
    publish(channel: string, data: unknown, more?: {
        readonly key?: string;
        readonly tags?: Readonly<Record<string, string>>;
    }): void;
    /** Sends a signal, as an application's backend does. */
    signal(channel: string, data: unknown, conflate?: string): void;
    /** The data that a channel keeps, oldest first. */
    stored(channel: string): unknown[];
    /** Loses a channel's log, as a server does whose store is gone: clients are told `reset`. */
    lose(channel: string): void;
    /** Ends all connections as a server does that is restarted: clients come back when it said. */
    drain(after?: number): void;
    /** Ends the sessions of a user, for good. */
    disconnect(user: string): void;
}
