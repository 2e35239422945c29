/** A way to the server. */
export type TransportName = 'websocket' | 'sse' | 'poll';
/**
 * Why a connection ended, or why there is none.
 *
 * - `unreachable`: it could not be opened
 * - `lost`: it was open and broke
 * - `silent`: nothing was heard of the server for too long
 * - `refused`: the server said why, by the code
 * - `draining`: the server goes away and said when to come back
 * - `token`: there was no token to be had
 */
export interface Reason {
    readonly kind: 'unreachable' | 'lost' | 'silent' | 'refused' | 'draining' | 'token';
    /** The code of the protocol; 0 if the server said none. */
    readonly code: number;
    /** A sentence for people. */
    readonly message: string;
}
/** What the connection is. */
export type ConnectionState = {
    readonly name: 'idle';
} | {
    readonly name: 'connecting';
    /** The transport that was tried last; null as long as the token is awaited. */
    readonly transport: TransportName | null;
    /** How many attempts have failed before. */
    readonly attempt: number;
    /** Why the connection before this one ended. */
    readonly reason: Reason | null;
} | {
    readonly name: 'connected';
    readonly transport: TransportName;
    readonly session: string;
} | {
    readonly name: 'waiting';
    /** How long until the next attempt, in milliseconds, when the state was entered. */
    readonly retryIn: number;
    /** When that is, in Unix milliseconds. */
    readonly retryAt: number;
    readonly attempt: number;
    readonly reason: Reason;
} | {
    readonly name: 'disconnected';
    readonly reason: 'asked' | 'page hidden';
} | {
    readonly name: 'failed';
    readonly code: number;
    readonly reason: Reason;
};
/** Why a token is asked for. */
export type TokenReason = 'connect' | 'expiring' | 'expired' | 'refused';
