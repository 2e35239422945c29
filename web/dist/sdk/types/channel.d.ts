import { type Abortable } from './abort.js';
import type { Published } from './publisher.js';
import { type Publication } from './protocol.js';
import type { ChannelEvents } from './subscription.js';
/** What is asked of a channel's history. */
export interface HistoryQuery extends Abortable {
    /** What comes after this position, oldest first; the oldest that is kept if neither this nor `before` is given. */
    readonly since?: string;
    /** The last before this position. */
    readonly before?: string;
    /** The last there are. */
    readonly newest?: boolean;
    /** How many at most; 100 unless told, and 1,000 at most. */
    readonly limit?: number;
}
/** A page of history, oldest first. */
export interface HistoryPage<T = unknown> {
    readonly publications: readonly Publication<T>[];
    /** Where the next query goes on, in the same direction. */
    readonly position: string;
    /** Whether there is more in that direction. */
    readonly more: boolean;
    /** Whether nothing between was removed. */
    readonly complete: boolean;
}
/** What belongs to a publication beside its data. */
export interface PublishOptions extends Abortable {
    /** Makes it idempotent: the same key stores once. One is made if none is given. */
    readonly key?: string;
    /** For filters to look at. */
    readonly tags?: Readonly<Record<string, string>>;
}
/** The texts that {@link Channel.when} can tell apart: those of the field `type` of what is published. */
export type TypesOf<T> = T extends {
    readonly type: infer K extends string;
} ? K : never;
/** How events are iterated. */
export interface IterateOptions extends Abortable {
    /** How many events may wait for the loop; 10,000 unless told. With more the loop throws `overflow`. */
    readonly most?: number;
}
/**
 * A named, ordered log on the server. It is followed while somebody listens: the first listener subscribes,
 * and after the last is gone it is given up, unless {@link Channel.subscribe} was called.
 *
 * Get one from {@link Client.channel}.
 */
export interface Channel<T = unknown> {
    /** The name, with a star at its end if it is a wildcard. */
    readonly name: string;
    /** Whether the subscription is there at this moment. */
    readonly subscribed: boolean;
    /** Where this client stands in the channel, to begin there another time; empty as long as that is not known. */
    readonly position: string;
    /** The offset of the last publication that came; 0 if none did. */
    readonly offset: number;
    /** How many publications came again after a reconnect and were not told again. */
    readonly duplicates: number;
    /** Listens to what happens on the channel. Returns what ends that, which an abort of `signal` does as well. */
    on<K extends keyof ChannelEvents<T>>(event: K, listener: (event: ChannelEvents<T>[K]) => void, options?: Abortable): () => void;
    /**
     * Listens to publications by the field `type` of their data, where that is a union:
     *
     * ```ts
     * type ChatEvents = { type: 'message'; text: string } | { type: 'renamed'; name: string };
     * client.channel<ChatEvents>('chat').when('renamed', (e) => setTitle(e.name));
     * ```
     */
    when<K extends TypesOf<T>>(type: K, listener: (data: Extract<T, {
        readonly type: K;
    }>, publication: Publication<T>) => void, options?: Abortable): () => void;
    /** The events of one name, for a loop. It ends with the subscription, with an abort of `signal`, or when it is left. */
    iterate<K extends keyof ChannelEvents<T>>(event: K, options?: IterateOptions): AsyncIterableIterator<ChannelEvents<T>[K]>;
    /** The publications, for a loop: `for await (const p of channel) …` */
    [Symbol.asyncIterator](): AsyncIterableIterator<Publication<T>>;
    /** Follows the channel also while nobody listens, until {@link Channel.unsubscribe} or an abort of `signal`. */
    subscribe(options?: Abortable): void;
    /** Stops following the channel, and removes all who listen. */
    unsubscribe(): void;
    /**
     * Publishes. Resolves when it is stored, whatever happens to the connection in between; rejects if the
     * server refuses it for good, or on {@link Client.disconnect}.
     */
    publish(data: T, options?: PublishOptions): Promise<Published>;
    /**
     * Sends a signal, which is not stored. With `conflate` it is the newest value of that key: one that waits here is
     * replaced. Without, it reaches who is there, if this client is connected.
     */
    signal(data: T, options?: {
        readonly conflate?: string;
    }): void;
    /** Deletes the value of a key that signals were conflated by. */
    clearSignal(conflate: string): void;
    /** Reads what the channel keeps. The channel's filter holds here too. */
    history(query?: HistoryQuery): Promise<HistoryPage<T>>;
}
