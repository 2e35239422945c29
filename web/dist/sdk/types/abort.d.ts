/** Ends something early. */
export interface Abortable {
    /** Ends it: what waits rejects with the signal's reason. */
    readonly signal?: AbortSignal;
}
