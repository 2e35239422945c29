import { StarlingError } from './errors.js';
import { type Filter, type Publication, type Signal, type SlowPolicy } from './protocol.js';
/** How a channel is followed. */
export interface ChannelOptions {
    /** Only publications that have these tags. */
    readonly filter?: Filter;
    /** What happens when this client is slower than the channel; `catchup` unless told otherwise. */
    readonly slow?: SlowPolicy;
    /** A position from which to begin, such as {@link Channel.position} of an earlier visit. Otherwise it begins with what comes. */
    readonly since?: string;
}
/** What happens on a channel, by the name under which it is listened to. */
export type ChannelEvents<T = unknown> = {
    /** Something was published. Each publication comes once, in the order of the channel. */
    publication: Publication<T>;
    /** A signal was sent. */
    signal: Signal<T>;
    /** The subscription is there, for the first time or again. `recovered`: it goes on where it was, nothing is missing. */
    subscribed: {
        readonly position: string;
        readonly recovered: boolean;
    };
    /** The connection was away, and all that was missed comes now. */
    recovered: {
        readonly position: string;
    };
    /** Publications were missed for good: fetch the state anew. `reason` is `gone`, `epoch` or `wildcard`. */
    reset: {
        readonly position: string;
        readonly reason: string;
    };
    /** The policy `latest` has left publications out. */
    skipped: {
        readonly position: string;
    };
    /** The server has ended the subscription, or it was ended here. */
    unsubscribed: {
        readonly error: StarlingError | null;
    };
    /** The server refuses a subscription or a signal. */
    error: StarlingError;
};
