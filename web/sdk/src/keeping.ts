// What of the outbox stands between a client and its publisher: loaded only where it is asked for.

import type { ownError } from './errors.js';
import { claimsOf } from './identity.js';
import { Outbox, type OutboxEvent } from './outbox.js';
import { textOf } from './protocol.js';
import { type Keeper, KEPT, type Outgoing, type Outlet, type Publisher, randomKey } from './publisher.js';
import type { Environment } from './wire.js';

/** @internal */
export interface KeepingHost {
  readonly env: Environment;
  readonly base: string;
  /** The token as it is. */
  token(): string;
  told(event: OutboxEvent): void;
  trouble(e: unknown): void;
  readonly ownError: typeof ownError;
}

/**
 * @internal Stands between sessions and the publisher where there is an outbox: nothing goes out before the server has said
 * who this is, and what was kept for them has been put before it.
 */
export class Keeping implements Keeper {
  readonly #publisher: Publisher;
  readonly #host: KeepingHost;
  readonly #outbox: Outbox | null;
  #session: Outlet | null = null;

  constructor(publisher: Publisher, host: KeepingHost) {
    this.#publisher = publisher;
    this.#host = host;
    const { env, base, told, trouble } = host;
    this.#outbox = env.indexedDB ? new Outbox(base, textOf(claimsOf(host.token()).sub) || (env.storage?.getItem(this.#name) ?? ''), {
      indexedDB: env.indexedDB, locks: env.locks ?? null, now: () => env.now(), page: randomKey(), told, trouble,
      keptFor: KEPT, expired: () => host.ownError('expired', 'The publication waited for more than 12 hours.'),
    }) : null;
    if (!this.#outbox) trouble(new Error('There is no IndexedDB here: nothing outlives the page.'));
    publisher.keeper = this;
    publisher.use(null); // what waits already is kept as well
  }

  get #name(): string {
    return `starling.user ${this.#host.base}`;
  }

  keep(o: Outgoing): void {
    this.#outbox?.keep(o);
  }

  done(o: Outgoing, error: unknown): void {
    this.#outbox?.done(o, error);
  }

  /** There is a session, of a user who is not known yet, or there is none any more. */
  use(session: Outlet | null): void {
    this.#session = session;
    if (!session) this.#publisher.use(null);
  }

  /** The server says whom it takes us for. */
  async identified(user: string): Promise<void> {
    const session = this.#session;
    try {
      this.#host.env.storage?.setItem(this.#name, user);
    } catch {
      // It only helps a page that begins without a connection.
    }
    const kept = (await this.#outbox?.claim(user)) ?? [];
    this.#publisher.restore(kept);
    if (session && session === this.#session) this.#publisher.use(session);
  }

  /** Forgets the user, and what is kept for them. */
  async clear(): Promise<void> {
    this.#host.env.storage?.removeItem(this.#name);
    await this.#outbox?.clear();
  }
}
