import type { Channel } from '../channel.js';
import type { StarlingError } from '../errors.js';
import type { Publication, Signal } from '../protocol.js';
import type { ChannelOptions } from '../subscription.js';
/** How a component follows a channel. Its options are compared by what they say, so they may be written in place. */
export interface UseChannelOptions<T> extends ChannelOptions {
    /** How many of the newest publications are kept; 100 unless told. */
    readonly limit?: number;
    /** What is kept of a publication; those for which it returns undefined are left out. The one of the first render counts. */
    readonly select?: (publication: Publication<T>) => unknown;
    /** Whether to follow it now; true unless told. */
    readonly enabled?: boolean;
}
/** A channel as a component sees it. It is the same object as long as nothing changes. */
export interface ChannelView<T, S = Publication<T>> {
    /** What has come since this component follows the channel, oldest first. */
    readonly publications: readonly S[];
    /** The newest signal of each key, and the last without one under the empty key. */
    readonly signals: ReadonlyMap<string, Signal<T>>;
    /** Whether the subscription is there at this moment. */
    readonly subscribed: boolean;
    /** How often something was missed for good: fetch your state anew when it grows. */
    readonly resets: number;
    /** Why the server refuses the subscription, or has ended it. */
    readonly error: StarlingError | null;
    readonly channel: Channel<T>;
}
/** Follows a channel as long as the component is there. */
export declare function useChannel<T = unknown>(name: string, options?: Omit<UseChannelOptions<T>, 'select'>): ChannelView<T>;
/** Follows a channel as long as the component is there, and keeps what `select` makes of publications. */
export declare function useChannel<T, S>(name: string, options: UseChannelOptions<T> & {
    readonly select: (publication: Publication<T>) => S;
}): ChannelView<T, Exclude<S, undefined>>;
