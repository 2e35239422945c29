/** Every code of an error, by its name. A code means the same for ever. */
export declare const codes: {
    readonly malformed: 4000;
    readonly unknown_type: 4001;
    readonly invalid_field: 4002;
    readonly bad_channel: 4003;
    readonly bad_position: 4004;
    readonly too_large: 4005;
    readonly not_supported: 4006;
    readonly not_found: 4007;
    readonly unauthorized: 4100;
    readonly forbidden: 4101;
    readonly rate_limited: 4102;
    readonly limit_reached: 4103;
    readonly bad_origin: 4104;
    readonly slow: 4105;
    readonly no_pong: 4106;
    readonly token_expired: 4107;
    readonly revoked: 4108;
    readonly disconnected: 4109;
    readonly too_many_sessions: 4110;
    readonly already_subscribed: 4200;
    readonly not_subscribed: 4201;
    readonly key_reused: 4202;
    readonly conflict: 4203;
    readonly session_gone: 4204;
    readonly session_busy: 4205;
    readonly unavailable: 4300;
    readonly unknown_result: 4301;
    readonly draining: 4302;
    readonly internal: 4303;
};
/** What is wrong, as the server says it. */
export interface Refusal {
    readonly code: number;
    readonly name: string;
    readonly message: string;
    /** Whether the same may succeed later. */
    readonly retry: boolean;
}
/** Something that is stored in a channel. */
export interface Publication<T = unknown> {
    readonly channel: string;
    /** Grows along the channel, with gaps. Only good for telling what is newer. */
    readonly offset: number;
    /** Refer to the publication by this. */
    readonly id: string;
    readonly data: T;
    /** The key that its publisher gave, by which a client knows its own. */
    readonly key?: string;
    /** Who published it, if that is known. */
    readonly user?: string;
    /** When the server stored it, in Unix milliseconds. */
    readonly time: number;
    readonly tags?: Readonly<Record<string, string>>;
}
/** Something that is not stored: the newest value of a key, or a passing remark. */
export interface Signal<T = unknown> {
    readonly channel: string;
    /** Not there if the value of the key was deleted. */
    readonly data?: T;
    readonly deleted?: true;
    /** The key of which this is the newest value. */
    readonly conflate?: string;
    readonly user?: string;
    readonly time: number;
}
/** Which publications are wanted: each tag with a value, or one of several. */
export type Filter = Readonly<Record<string, string | readonly string[]>>;
/** What happens when this client is slower than the channel. */
export type SlowPolicy = 'catchup' | 'latest' | 'disconnect';
/** Why a text cannot be the name of a channel or a wildcard, or an empty text if it can. */
export declare function channelTrouble(name: string): string;
