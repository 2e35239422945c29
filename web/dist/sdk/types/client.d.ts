import { type Abortable } from './abort.js';
import { type Channel } from './channel.js';
import type { Devtools } from './devtools/index.js';
import type { Dropped } from './drop.js';
import { StarlingError } from './errors.js';
import type { ConnectionState, TransportName } from './machine.js';
import { type ChannelPattern, type PatternValues } from './pattern.js';
import type { OutboxEvent } from './outbox.js';
import { type ChannelOptions } from './subscription.js';
import { type GetToken } from './tokens.js';
import type { Frame, WebSocketMaker } from './wire.js';
/** How a client is made. */
export interface ClientOptions {
    /** The address of the server, with the path under which it is mounted; that of the page unless told. */
    readonly url?: string;
    /** Who this client is. With {@link ClientOptions.getToken} none is needed. */
    readonly token?: string;
    /** Called when a token is needed: at first, before one expires, and when the server does not take one any more. */
    readonly getToken?: GetToken;
    /** Which transports to use, the best first; unless told, `websocket`, `sse`, `poll`. */
    readonly transports?: readonly TransportName[];
    /** How long an answer may take, in milliseconds; 10,000 unless told. */
    readonly timeout?: number;
    /** The WebSocket to use where there is no global one, such as that of the package `ws`. */
    readonly WebSocket?: WebSocketMaker;
    /** The fetch to use instead of the global one. */
    readonly fetch?: typeof fetch;
    /** How many publications may wait to be stored; 1,000 unless told. More are refused with `overflow`. */
    readonly maxQueued?: number;
    /**
     * Keeps publications that cannot be sent in this browser (IndexedDB), for at most 12 hours, so that they go out also if
     * the page is closed before; false unless told. What becomes of them is told by the event `outbox`.
     */
    readonly outbox?: boolean;
    /**
     * Whether the tabs of one browser share one connection, as far as their server, user and transports are the same; true
     * unless told. A text keeps tabs apart whose texts differ, such as the user's name where a cookie says who that is.
     */
    readonly tabs?: boolean | string;
    /** Told of what is not sent because there is no room or no connection. A signal that a newer one of its key replaces is not dropped. */
    readonly onDrop?: (drop: Dropped) => void;
    /** Told of everything that goes over the wire. */
    readonly onFrame?: (frame: Frame) => void;
}
/** What happens to a client, by the name under which it is listened to. */
export type ClientEvents = {
    /** The connection is something else now. */
    state: ConnectionState;
    /** The user whom the server takes this client for has changed; empty if it is anonymous. */
    user: string;
    /** What became of a publication that was kept in the outbox, in this visit or another. */
    outbox: OutboxEvent;
    /** Something went wrong that belongs to no channel and to nobody who waits. */
    error: StarlingError;
};
/**
 * A client of a Starling server. Make one with {@link createClient}; one is enough for a page.
 *
 * It connects when it is first needed, and comes back by itself whenever the connection is lost.
 */
export interface Client {
    /** What the connection is. */
    readonly state: ConnectionState;
    /** Whom the server takes this client for; empty if it is anonymous, or not known yet. */
    readonly user: string;
    /** Listens to what happens to the client. Returns what ends that. */
    on<K extends keyof ClientEvents>(event: K, listener: (event: ClientEvents[K]) => void): () => void;
    /** Connects, at once: also after {@link Client.disconnect}, after a failure, and instead of waiting. */
    connect(): void;
    /**
     * Disconnects, and stays so until {@link Client.connect}. What waits to be published is rejected; the channels
     * stay as they are, and go on from where they stood.
     */
    disconnect(): void;
    /** Disconnects, in all tabs that share the connection, and throws away what the outbox keeps for this user in this browser. */
    logout(): Promise<void>;
    /** Uses these transports from now on, the best first, and connects anew if there is a connection. */
    use(transports: readonly TransportName[]): void;
    /** A channel whose name has values in it, which may not contain ":": `client.channel('chat:{room}', { room })`. */
    channel<T = unknown>(pattern: ChannelPattern, values: PatternValues, options?: ChannelOptions): Channel<T>;
    /**
     * A channel, or with a star at the end of its name all whose names begin so. The same name gives the same object;
     * options that are given later replace the earlier ones from the next subscription on.
     *
     * @typeParam T what is published there. It is not checked.
     */
    channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
    /** Asks the application's backend, through the hooks of the server. Rejects with `lost` if nobody knows whether it arrived. */
    call(method: string, data?: unknown, options?: Abortable): Promise<unknown>;
    /** Opens a panel that shows what this client does, and can do harm to its connection. It is loaded when it is first asked for. */
    devtools(): Promise<Devtools>;
}
/**
 * Makes a client.
 *
 * ```ts
 * const client = createClient();
 * const chat = client.channel<{ text: string }>('chat');
 * chat.on('publication', (p) => console.log(p.data.text));
 * await chat.publish({ text: 'hello' });
 * ```
 */
export declare function createClient(options?: ClientOptions): Client;
