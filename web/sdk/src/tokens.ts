import { ownError, textOfError } from './errors.js';
import type { TokenReason } from './machine.js';
import { textOf } from './protocol.js';
import type { Environment } from './wire.js';

/** Returns a token. `reason` says why: `connect` for the first, `expiring` in good time, `expired` and `refused` when the server did not take the last. */
export type GetToken = (context: { readonly reason: TokenReason }) => string | Promise<string>;

/** How long before it expires a token is not used for a new connection any more, in milliseconds. */
const MARGIN = 5_000;

/** @internal Has tokens, and asks for a new one once, however many want it. */
export interface Tokens {
  readonly renewable: boolean;
  /** The token as it is. */
  readonly current: string;
  /** Whether it is known when the token ends. */
  readonly expiring: boolean;
  /** Returns a token for a new connection, the one that is there if it will do. */
  fresh(reason: TokenReason): Promise<string>;
  /** Asks for a new token. */
  renew(reason: TokenReason): Promise<string>;
  /** The server has said in how many milliseconds the identity expires; 0 is never. */
  expires(ms: number): void;
}

/** @internal */
export function tokensOf(given: string | GetToken, env: Environment): Tokens {
  const get = typeof given === 'string' ? null : given;
  let token = textOf(given);
  let expiresAt = Infinity;
  let asking: Promise<string> | null = null;

  const ask = async (reason: TokenReason): Promise<string> => {
    try {
      await null; // one that throws at once is done after this is noted
      const got = textOf(await get?.({ reason }));
      if (!got) throw new TypeError('getToken returned no text.');
      token = got;
      expiresAt = Infinity;
      return got;
    } catch (e) {
      throw ownError('token', `There is no token: ${textOfError(e)}`, e);
    } finally {
      asking = null;
    }
  };
  const renew = async (reason: TokenReason): Promise<string> => {
    if (!get) return token;
    asking ??= ask(reason);
    return asking;
  };

  return {
    renewable: get !== null,
    get current() {
      return token;
    },
    get expiring() {
      return expiresAt < Infinity;
    },
    async fresh(reason) {
      if (reason !== 'connect' || !get) return renew(reason);
      return token && env.now() < expiresAt - MARGIN ? token : renew(token ? 'expired' : reason);
    },
    renew,
    expires(ms) {
      expiresAt = ms > 0 ? env.now() + ms : Infinity;
    },
  };
}
