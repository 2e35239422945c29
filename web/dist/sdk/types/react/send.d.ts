import type { PublishOptions } from '../channel.js';
import type { StarlingError } from '../errors.js';
import type { Published } from '../publisher.js';
/** Publishes, and how that goes. */
export interface UsePublish<T> {
    /** Publishes; see `Channel.publish`. It is the same function in each render. */
    readonly publish: (data: T, options?: PublishOptions) => Promise<Published>;
    /** How many are not stored yet. */
    readonly pending: number;
    /** Why the last that was refused was refused; null again after the next that is stored. */
    readonly error: StarlingError | null;
}
/** Publishes on a channel, without following it. */
export declare function usePublish<T = unknown>(name: string): UsePublish<T>;
/** Sends signals on a channel, without following it. The function is the same in each render. */
export declare function useSignal<T = unknown>(name: string): (data: T, options?: {
    readonly conflate?: string;
}) => void;
