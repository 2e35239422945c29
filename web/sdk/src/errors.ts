import { codes, nameOf, type Refusal } from './protocol.js';

/** Where the errors have their pages: with the server that a client was made for last. */
let pages = '';

/** @internal Says where the server is. */
export const explainAt = (url: string): void => {
  pages = `${url}docs/errors/`;
};

/**
 * Why something was not done.
 *
 * `code` and `name` are those of the protocol; what this client says itself has the code 0 and one of
 * these names: `closed` (it was told to disconnect), `lost` (the connection went away, and nobody
 * knows whether it was done), `timeout`, `token` (there is no token to be had), `overlap`
 * (a wildcard and a channel that it matches at once), `overflow` (too much is waiting already),
 * `expired` (it waited in the outbox for too long), `outbox` (this browser does not keep it).
 */
export class StarlingError extends Error {
  declare readonly name: string;
  declare readonly code: number;
  /** Whether the same may succeed later. */
  declare readonly retry: boolean;
  /** The address of the page that says what the error means and what to do, on the server that the client was made for last. */
  declare readonly docs: string;

  /** @internal */
  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.message, options);
    this.code = refusal.code;
    this.name = refusal.name || nameOf(refusal.code) || 'error';
    this.retry = refusal.retry;
    this.docs = pages + this.name;
  }
}

/** @internal An error that the client itself makes. */
export function ownError(name: 'closed' | 'lost' | 'timeout' | 'token' | 'overlap' | 'overflow' | 'expired' | 'outbox', message: string, cause?: unknown): StarlingError {
  return new StarlingError({ code: 0, name, message, retry: ['lost', 'timeout', 'overflow'].includes(name) }, cause ? { cause } : {});
}

/** @internal An error of the protocol that the client finds by itself. */
export const refuse = (name: keyof typeof codes, message: string): StarlingError => new StarlingError({ code: codes[name], name, message, retry: false });

/** @internal What went wrong, for people. */
export const textOfError = (e: unknown): string => (String((e as Partial<Error> | undefined)?.message ?? e));
