import { type Cursor, from, lost, moved, nowhere, resume, seen } from './cursor.js';
import { Emitter } from './emitter.js';
import { StarlingError } from './errors.js';
import { codes, type Filter, isWildcard, type Publication, type Refusal, type Signal, type SlowPolicy } from './protocol.js';

/** How a channel is followed. */
export interface ChannelOptions {
  /** Only publications that have these tags. */
  readonly filter?: Filter;
  /** What happens when this client is slower than the channel; `catchup` unless told otherwise. */
  readonly slow?: SlowPolicy;
  /** A position from which to begin, such as {@link Channel.position} of an earlier visit. Otherwise it begins with what comes. */
  readonly since?: string;
}

/** What happens on a channel, by the name under which it is listened to. */
export type ChannelEvents<T = unknown> = {
  /** Something was published. Each publication comes once, in the order of the channel. */
  publication: Publication<T>;
  /** A signal was sent. */
  signal: Signal<T>;
  /** The subscription is there, for the first time or again. `recovered`: it goes on where it was, nothing is missing. */
  subscribed: { readonly position: string; readonly recovered: boolean };
  /** The connection was away, and all that was missed comes now. */
  recovered: { readonly position: string };
  /** Publications were missed for good: fetch the state anew. `reason` is `gone`, `epoch` or `wildcard`. */
  reset: { readonly position: string; readonly reason: string };
  /** The policy `latest` has left publications out. */
  skipped: { readonly position: string };
  /** The server has ended the subscription, or it was ended here. */
  unsubscribed: { readonly error: StarlingError | null };
  /** The server refuses a subscription or a signal. */
  error: StarlingError;
};

/**
 * @internal A channel that is followed across sessions: where it stands, and what has to be told.
 *
 * - `off`: not at the session
 * - `joining`: asked for
 * - `live`: at the session
 */
export class Subscription {
  readonly events = new Emitter<ChannelEvents>();
  cursor: Cursor;
  /** Whether it shall be there. */
  wanted = false;
  state: 'off' | 'joining' | 'live' = 'off';
  /** The session that it is at. */
  owner: object | null = null;
  /** Whether the positions of the whole session are its positions. */
  shares = false;
  #resumes = false;
  #settled = true;
  /** What came before the answer to a subscribe that went another way. */
  #early: Publication[] = [];
  /** How many publications came again, and were not told again. */
  doubles = 0;

  constructor(
    readonly channel: string,
    public options: ChannelOptions,
  ) {
    this.cursor = options.since ? from(options.since) : nowhere;
  }

  /** Takes options for the next time that it subscribes. */
  configure(options: ChannelOptions): void {
    this.options = options;
    if (options.since && !this.wanted) this.cursor = from(options.since);
  }

  get isWildcard(): boolean {
    return isWildcard(this.channel);
  }

  /** Whether it can be asked for in a query, where one filter and one policy hold for all. */
  get isPlain(): boolean {
    return !this.options.filter && !this.options.slow;
  }

  /** The fields of the command that subscribes. */
  join(owner: object): Record<string, unknown> {
    this.#begin(owner);
    this.shares = false;
    const { filter, slow } = this.options;
    return { channel: this.channel, ...(!this.isWildcard && resume(this.cursor)), ...(filter && { filter }), ...(slow && { slow }) };
  }

  /** What tabs compare their places by. */
  rank(): { readonly last: number; readonly line?: string } {
    const { last, line } = this.cursor;
    return { last, ...(line && { line }) };
  }

  /** It was asked for in the query of a session that is there now. */
  opened(owner: object): void {
    this.#begin(owner);
    this.state = 'live';
    this.shares = !this.isWildcard;
    this.#settled = false;
  }

  #begin(owner: object): void {
    this.owner = owner;
    this.state = 'joining';
    this.#early = [];
    this.#settled = true;
    this.#resumes = !this.isWildcard && this.cursor.position !== '';
  }

  /** What was missed would have been said by now. */
  settle(): void {
    if (this.#settled || this.state !== 'live') return;
    this.#settled = true;
    this.#tellSubscribed(this.#resumes);
  }

  /** The session has it. `at` is where a shared one stands. */
  joined(position: string, recovered: boolean, at: { readonly last: number; readonly line: string } = { last: 0, line: '' }): void {
    this.state = 'live';
    const missed = this.#resumes && !recovered;
    if (position) this.cursor = missed ? lost(position) : moved(this.cursor, position);
    if (at.last > 0) this.cursor = { ...this.cursor, offset: at.last, last: Math.max(this.cursor.last, at.last) };
    if (at.line) this.cursor = { ...this.cursor, line: at.line };
    this.#tellSubscribed(this.#resumes && recovered);
    if (missed) this.events.emit('reset', { position, reason: 'gone' });
    const early = this.#early;
    this.#early = [];
    for (const p of early) this.take(p);
  }

  #tellSubscribed(recovered: boolean): void {
    const { position } = this;
    this.events.emit('subscribed', { position, recovered });
    if (recovered) this.events.emit('recovered', { position });
  }

  /** The server refuses to subscribe. Returns whether to try again. */
  refused(refusal: Refusal): boolean {
    if (refusal.code === codes.already_subscribed) return false; // the server has subscribed us, and says so
    this.#leave();
    if (refusal.code === codes.bad_position) {
      this.forget();
      return true;
    }
    this.events.emit('error', new StarlingError(refusal));
    return refusal.retry;
  }

  /** Gives the position up, which the server cannot read, and says so. */
  forget(): void {
    if (!this.cursor.position) return;
    this.cursor = nowhere;
    this.events.emit('reset', { position: '', reason: 'gone' });
  }

  take(p: Publication): void {
    if (this.state === 'joining') {
      this.#early.push(p);
      return;
    }
    if (this.state !== 'live') return;
    this.settle();
    if (!this.isWildcard) {
      const cursor = seen(this.cursor, p.offset);
      if (!cursor) {
        this.doubles++;
        return;
      }
      this.cursor = cursor;
    }
    this.events.emit('publication', p);
  }

  signal(s: Signal): void {
    if (this.state !== 'off') this.events.emit('signal', s);
  }

  /** The server says where this channel stands. */
  moved(position: string, covers = 1): void {
    if (this.state === 'live' && position && !this.isWildcard) this.cursor = moved(this.cursor, position, covers);
  }

  skipped(position: string): void {
    this.moved(position);
    this.events.emit('skipped', { position });
  }

  reset(position: string, reason: string, covers: number, line = ''): void {
    if (!this.isWildcard) this.cursor = { ...lost(position, covers), line };
    if (!this.#settled) {
      this.#settled = true;
      this.#tellSubscribed(false);
    }
    this.events.emit('reset', { position: this.isWildcard ? '' : position, reason });
  }

  /** The session is gone; it goes on with the next. */
  detached(): void {
    this.#leave();
  }

  #leave(): void {
    this.state = 'off';
    this.owner = null;
    this.shares = false;
    this.#early = []; // it comes again
  }

  /** It is over, by the server's will or by ours. */
  ended(error: StarlingError | null): void {
    this.#leave();
    this.wanted = false;
    this.cursor = nowhere;
    this.events.emit('unsubscribed', { error });
  }

  /** Where it stands, to begin there another time; empty as long as that is not known. */
  get position(): string {
    const { position, offset, covers } = this.cursor;
    return position && offset > 0 && covers === 1 ? `${position}.${offset}` : position;
  }
}
