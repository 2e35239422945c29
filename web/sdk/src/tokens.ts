import { ownError } from './errors.js';
import type { TokenReason } from './machine.js';
import type { Environment } from './wire.js';

/** Returns a token. `reason` says why: `connect` for the first, `expiring` in good time, `expired` and `refused` when the server did not take the last. */
export type GetToken = (context: { readonly reason: TokenReason }) => string | Promise<string>;

/** How long before it expires a token is not used for a new connection any more, in milliseconds. */
const MARGIN = 5_000;

/** @internal Has tokens, and asks for a new one once, however many want it. */
export class Tokens {
  readonly #get: GetToken | null;
  readonly #env: Environment;
  #token: string;
  #expiresAt = Number.POSITIVE_INFINITY;
  #asking: Promise<string> | null = null;

  constructor(token: string | GetToken, env: Environment) {
    this.#get = typeof token === 'string' ? null : token;
    this.#token = typeof token === 'string' ? token : '';
    this.#env = env;
  }

  get renewable(): boolean {
    return this.#get !== null;
  }

  /** The token as it is. */
  get current(): string {
    return this.#token;
  }

  /** Whether it is known when the token ends. */
  get expiring(): boolean {
    return this.#expiresAt < Number.POSITIVE_INFINITY;
  }

  /** Returns a token for a new connection, the one that is there if it will do. */
  async fresh(reason: TokenReason): Promise<string> {
    const good = this.#token !== '' && this.#env.now() < this.#expiresAt - MARGIN;
    if (!this.#get || (reason === 'connect' && good)) return this.#token;
    return this.renew(reason === 'connect' && this.#token ? 'expired' : reason);
  }

  /** Asks for a new token. */
  renew(reason: TokenReason): Promise<string> {
    const get = this.#get;
    if (!get) return Promise.resolve(this.#token);
    this.#asking ??= (async () => {
      try {
        await null; // one that throws at once is done after this is noted
        const token = await get({ reason });
        if (typeof token !== 'string' || token === '') throw new TypeError('getToken returned no text.');
        this.#token = token;
        this.#expiresAt = Number.POSITIVE_INFINITY;
        return token;
      } catch (e) {
        throw ownError('token', `There is no token: ${e instanceof Error ? e.message : String(e)}`, e);
      } finally {
        this.#asking = null;
      }
    })();
    return this.#asking;
  }

  /** The server has said in how many milliseconds the identity expires; 0 is never. */
  expires(ms: number): void {
    this.#expiresAt = ms > 0 ? this.#env.now() + ms : Number.POSITIVE_INFINITY;
  }
}
