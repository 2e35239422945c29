/** What became of a publication that was kept in the outbox. */
export interface OutboxEvent {
    /** `expired`: it waited for more than 12 hours, and was not sent; ask whether it still shall be. */
    readonly outcome: 'stored' | 'refused' | 'expired';
    readonly channel: string;
    readonly data: unknown;
    readonly key: string;
    /** When it was made, in Unix milliseconds. */
    readonly made: number;
    /** Why it was not stored. */
    readonly error: Error | null;
}
