import type { Client } from './client.js';
import type { Published } from './publisher.js';
import { numberOf, type Publication, textOf } from './protocol.js';
import type { ChannelEvents, Subscription } from './subscription.js';

/** What is asked of a channel's history. */
export interface HistoryQuery {
  /** What comes after this position, oldest first; the oldest that is kept if neither this nor `before` is given. */
  readonly since?: string;
  /** The last before this position. */
  readonly before?: string;
  /** The last there are. */
  readonly newest?: boolean;
  /** How many at most; 100 unless told, and 1,000 at most. */
  readonly limit?: number;
}

/** A page of history, oldest first. */
export interface HistoryPage<T = unknown> {
  readonly publications: readonly Publication<T>[];
  /** Where the next query goes on, in the same direction. */
  readonly position: string;
  /** Whether there is more in that direction. */
  readonly more: boolean;
  /** Whether nothing between was removed. */
  readonly complete: boolean;
}

/** What belongs to a publication beside its data. */
export interface PublishOptions {
  /** Makes it idempotent: the same key stores once. One is made if none is given. */
  readonly key?: string;
  /** For filters to look at. */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * A named, ordered log on the server. It is followed while somebody listens: the first listener subscribes,
 * and after the last is gone it is given up, unless {@link Channel.subscribe} was called.
 *
 * Get one from {@link Client.channel}.
 */
export class Channel<T = unknown> {
  readonly #client: Client;
  readonly #subscription: Subscription;
  readonly #changed: () => void;
  #held = false;

  /** @internal */
  constructor(client: Client, subscription: Subscription, changed: () => void) {
    this.#client = client;
    this.#subscription = subscription;
    this.#changed = changed;
  }

  /** The name, with a star at its end if it is a wildcard. */
  get name(): string {
    return this.#subscription.channel;
  }

  /** Whether the subscription is there at this moment. */
  get subscribed(): boolean {
    return this.#subscription.state === 'live';
  }

  /** Where this client stands in the channel, to begin there another time; empty as long as that is not known. */
  get position(): string {
    return this.#subscription.position;
  }

  /** How many publications came again after a reconnect and were not told again. */
  get duplicates(): number {
    return this.#subscription.doubles;
  }

  /** @internal */
  get wanted(): boolean {
    return this.#held || this.#subscription.events.size > 0;
  }

  /** Listens to what happens on the channel. Returns what ends that. */
  on<K extends keyof ChannelEvents<T>>(event: K, listener: (event: ChannelEvents<T>[K]) => void): () => void {
    // What the data is, the application knows; see Client.channel.
    const off = this.#subscription.events.on(event, listener as (event: ChannelEvents[K]) => void);
    this.#changed();
    return () => {
      off();
      this.#changed();
    };
  }

  /** Follows the channel also while nobody listens, until {@link Channel.unsubscribe}. */
  subscribe(): void {
    this.#held = true;
    this.#changed();
  }

  /** Stops following the channel, and removes all who listen. */
  unsubscribe(): void {
    this.#held = false;
    this.#client.drop(this.#subscription);
  }

  /**
   * Publishes. Resolves when it is stored, whatever happens to the connection in between; rejects if the
   * server refuses it for good, or on {@link Client.disconnect}.
   */
  publish(data: T, options: PublishOptions = {}): Promise<Published> {
    return this.#client.publish(this.name, data, options);
  }

  /**
   * Sends a signal, which is not stored. With `conflate` it is the newest value of that key: one that waits here is
   * replaced. Without, it reaches who is there, if this client is connected.
   */
  signal(data: T, options: { readonly conflate?: string } = {}): void {
    this.#client.signal({ type: 'signal', channel: this.name, data, ...(options.conflate && { conflate: options.conflate }) }, options.conflate ?? '');
  }

  /** Deletes the value of a key that signals were conflated by. */
  clearSignal(conflate: string): void {
    this.#client.signal({ type: 'signal', channel: this.name, conflate, delete: true }, conflate);
  }

  /** Reads what the channel keeps. The channel's filter holds here too. */
  async history(query: HistoryQuery = {}): Promise<HistoryPage<T>> {
    const { filter } = this.#subscription.options;
    const r = await this.#client.ask({ type: 'history', channel: this.name, ...query, ...(filter && { filter }) }, true);
    return {
      publications: (Array.isArray(r.publications) ? r.publications : []) as Publication<T>[],
      position: textOf(r.position),
      more: r.more === true,
      complete: r.complete === true,
    };
  }

  /** The offset of the last publication that came; 0 if none did. */
  get offset(): number {
    return numberOf(this.#subscription.cursor.last);
  }
}
