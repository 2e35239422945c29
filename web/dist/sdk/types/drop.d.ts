/** Something that this client was given to send, and has not sent. */
export interface Dropped {
    readonly kind: 'signal' | 'publication';
    readonly channel: string;
    readonly data: unknown;
    /** `offline`: there was no connection, and a signal without a key does not wait for one. `full`: too much waits already. */
    readonly reason: 'offline' | 'full';
}
