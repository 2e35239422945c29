import type { TokenReason } from './machine.js';
/** Returns a token. `reason` says why: `connect` for the first, `expiring` in good time, `expired` and `refused` when the server did not take the last. */
export type GetToken = (context: {
    readonly reason: TokenReason;
}) => string | Promise<string>;
