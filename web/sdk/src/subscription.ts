import { type Cursor, from, lost, moved, nowhere, placeOf, resume, seen } from './cursor.js';
import { type Emitter, emitter } from './emitter.js';
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
export interface Subscription {
  readonly channel: string;
  readonly events: Emitter<ChannelEvents>;
  options: ChannelOptions;
  readonly isWildcard: boolean;
  /** Whether it can be asked for in a query, where one filter and one policy hold for all. */
  readonly isPlain: boolean;
  cursor: Cursor;
  state: 'off' | 'joining' | 'live';
  /** The session that it is at. */
  owner: object | null;
  /** Whether the positions of the whole session are its positions. */
  shares: boolean;
  /** Where it stands, to begin there another time; empty as long as that is not known. */
  readonly position: string;
  /** How many publications came again, and were not told again. */
  doubles: number;
  /** Whether it shall be there. */
  wanted: boolean;
  /** Takes options for the next time that it subscribes. */
  configure(options: ChannelOptions): void;
  /** The fields of the command that subscribes. */
  join(owner: object): Record<string, unknown>;
  /** What tabs compare their places by. */
  rank(): { readonly last: number; readonly line: string };
  /** It was asked for in the query of a session that is there now. */
  opened(owner: object): void;
  /** What was missed would have been said by now. */
  settle(): void;
  /** The session has it. `at` is where a shared one stands. */
  joined(position: string, recovered: boolean, at?: { readonly last: number; readonly line: string }): void;
  /** The server refuses to subscribe. Returns whether to try again. */
  refused(refusal: Refusal): boolean;
  /** Gives the position up, which the server cannot read, and says so. */
  forget(): void;
  take(p: Publication): void;
  signal(s: Signal): void;
  /** The server says where this channel stands. */
  moved(position: string, covers?: number): void;
  skipped(position: string): void;
  reset(position: string, reason: string, covers: number, line: string): void;
  /** The session is gone; it goes on with the next. */
  detached(): void;
  /** It is over, by the server's will or by ours. */
  ended(error: StarlingError | null): void;
}

/** @internal */
export function subscribing(channel: string, options: ChannelOptions): Subscription {
  const events = emitter<ChannelEvents>();
  const wild = isWildcard(channel);
  let resumes = false;
  let settled = true;
  /** What came before the answer to a subscribe that went another way. */
  let early: Publication[] = [];

  const become = (state: Subscription['state'], owner: object | null): void => {
    self.owner = owner;
    self.state = state;
    early = []; // it comes again
    settled = state !== 'live';
    self.shares = !settled && !wild;
    resumes = !wild && self.cursor.position !== '';
  };

  const leave = (): void => become('off', null);

  const tellSubscribed = (recovered: boolean): void => {
    settled = true;
    const { position } = self;
    events.emit('subscribed', { position, recovered });
    if (recovered) events.emit('recovered', { position });
  };

  const self: Subscription = {
    channel,
    events,
    isWildcard: wild,
    options,
    cursor: options.since ? from(options.since) : nowhere,
    state: 'off',
    owner: null,
    shares: false,
    doubles: 0,
    wanted: false,
    get isPlain() {
      return !self.options.filter && !self.options.slow;
    },
    get position() {
      return placeOf(self.cursor);
    },
    configure(next) {
      self.options = next;
      if (next.since && !self.wanted) self.cursor = from(next.since);
    },
    join(at) {
      become('joining', at);
      const { filter, slow } = self.options;
      return { channel, ...(!wild && resume(self.cursor)), filter, slow };
    },
    rank() {
      const { last, line } = self.cursor;
      return { last, line };
    },
    opened(at) {
      become('live', at);
    },
    settle() {
      if (!settled && self.state === 'live') tellSubscribed(resumes);
    },
    joined(position, recovered, { last, line } = { last: 0, line: '' }) {
      self.state = 'live';
      const missed = resumes && !recovered;
      if (position) self.cursor = missed ? lost(position) : moved(self.cursor, position);
      if (last > 0) self.cursor = { ...self.cursor, offset: last, last: Math.max(self.cursor.last, last) };
      if (line) self.cursor = { ...self.cursor, line };
      tellSubscribed(resumes && recovered);
      if (missed) events.emit('reset', { position, reason: 'gone' });
      for (const p of early.splice(0)) self.take(p);
    },
    refused(refusal) {
      if (refusal.code === codes.already_subscribed) return false; // the server has subscribed us, and says so
      leave();
      if (refusal.code === codes.bad_position) {
        self.forget();
        return true;
      }
      events.emit('error', new StarlingError(refusal));
      return refusal.retry;
    },
    forget() {
      if (!self.cursor.position) return;
      self.cursor = nowhere;
      events.emit('reset', { position: '', reason: 'gone' });
    },
    take(p) {
      if (self.state === 'joining') early.push(p);
      if (self.state !== 'live') return;
      self.settle();
      const next = wild ? self.cursor : seen(self.cursor, p.offset);
      if (next) {
        self.cursor = next;
        events.emit('publication', p);
      } else self.doubles++;
    },
    signal(s) {
      if (self.state !== 'off') events.emit('signal', s);
    },
    moved(position, covers) {
      if (self.state === 'live' && position && !wild) self.cursor = moved(self.cursor, position, covers);
    },
    skipped(position) {
      self.moved(position);
      events.emit('skipped', { position });
    },
    reset(position, reason, covers, line) {
      if (!wild) self.cursor = { ...lost(position, covers), line };
      if (!settled) tellSubscribed(false);
      events.emit('reset', { position: wild ? '' : position, reason });
    },
    detached: leave,
    ended(error) {
      leave();
      self.wanted = false;
      self.cursor = nowhere;
      events.emit('unsubscribed', { error });
    },
  };
  return self;
}
