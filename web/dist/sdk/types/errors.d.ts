/**
 * Why something was not done.
 *
 * `code` and `name` are those of the protocol; what this client says itself has the code 0 and one of
 * these names: `closed` (it was told to disconnect), `lost` (the connection went away, and nobody
 * knows whether it was done), `timeout`, `token` (there is no token to be had), `overlap`
 * (a wildcard and a channel that it matches at once), `overflow` (too much is waiting already),
 * `expired` (it waited in the outbox for too long), `outbox` (this browser does not keep it).
 */
export declare class StarlingError extends Error {
    readonly name: string;
    readonly code: number;
    /** Whether the same may succeed later. */
    readonly retry: boolean;
    /** The address of the page that says what the error means and what to do, on the server that the client was made for last. */
    readonly docs: string;
}
