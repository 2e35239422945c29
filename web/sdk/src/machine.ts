// The connection as a pure reducer: what it is, what happened, what it is then and what is to be
// done. It knows no socket, no timer and no clock.

import { delay } from './backoff.js';
import { codes } from './protocol.js';

/** A way to the server. */
export type TransportName = 'websocket' | 'sse' | 'poll';

/**
 * Why a connection ended, or why there is none.
 *
 * - `unreachable`: it could not be opened
 * - `lost`: it was open and broke
 * - `silent`: nothing was heard of the server for too long
 * - `refused`: the server said why, by the code
 * - `draining`: the server goes away and said when to come back
 * - `token`: there was no token to be had
 */
export interface Reason {
  readonly kind: 'unreachable' | 'lost' | 'silent' | 'refused' | 'draining' | 'token';
  /** The code of the protocol; 0 if the server said none. */
  readonly code: number;
  /** A sentence for people. */
  readonly message: string;
}

/** What the connection is. */
export type ConnectionState =
  | { readonly name: 'idle' }
  | {
      readonly name: 'connecting';
      /** The transport that was tried last; null as long as the token is awaited. */
      readonly transport: TransportName | null;
      /** How many attempts have failed before. */
      readonly attempt: number;
      /** Why the connection before this one ended. */
      readonly reason: Reason | null;
    }
  | { readonly name: 'connected'; readonly transport: TransportName; readonly session: string }
  | {
      readonly name: 'waiting';
      /** How long until the next attempt, in milliseconds, when the state was entered. */
      readonly retryIn: number;
      /** When that is, in Unix milliseconds. */
      readonly retryAt: number;
      readonly attempt: number;
      readonly reason: Reason;
    }
  | { readonly name: 'disconnected'; readonly reason: 'asked' | 'page hidden' }
  | { readonly name: 'failed'; readonly code: number; readonly reason: Reason };

/** @internal How a wire ended. */
export interface End extends Reason {
  /** Whether the same may succeed later. */
  readonly retry: boolean;
  /** The server's advice on when to come back, in milliseconds. */
  readonly after?: number | undefined;
}

/** @internal A wire that is open or being opened. */
export interface Try {
  readonly id: number;
  readonly rung: number;
}

/** @internal */
export type Link =
  | { readonly name: 'idle' }
  | { readonly name: 'authorizing' }
  | { readonly name: 'connecting' }
  | { readonly name: 'connected'; readonly live: Try; readonly since: number; readonly session: string; readonly probes: number }
  // Of these all is told.
  | Extract<ConnectionState, { readonly name: 'waiting' | 'disconnected' | 'failed' }>;

/** @internal */
export interface Machine {
  readonly link: Link;
  /** The wires that are being opened: one after the other, or one that is to take the place of the live one. */
  readonly tries: readonly Try[];
  /** How many attempts have failed, since a connection held. */
  readonly failures: number;
  /** Why the connection before ended. */
  readonly reason: Reason | null;
  /** The ladder: transports from the best to the last. */
  readonly ladder: readonly TransportName[];
  /** The rung to begin with: what has worked. */
  readonly rung: number;
  /** Whether tokens come from a callback, so that a new one can be had. */
  readonly renewable: boolean;
  /** How often a token was renewed because the server did not take it, since one was taken. */
  readonly renewals: number;
  /** Whether the positions were given up, since a connection held. */
  readonly forgot: boolean;
  /** The number of the last try. */
  readonly serial: number;
}

/** Why a token is asked for. */
export type TokenReason = 'connect' | 'expiring' | 'expired' | 'refused';

/** @internal */
export type Happening =
  | { readonly type: 'connect' }
  | { readonly type: 'disconnect' }
  | { readonly type: 'suspend' }
  | { readonly type: 'resume' }
  | { readonly type: 'use'; readonly ladder: readonly TransportName[] }
  | { readonly type: 'authorized' }
  | { readonly type: 'unauthorized'; readonly message: string }
  | { readonly type: 'opened'; readonly id: number; readonly session: string }
  | { readonly type: 'ended'; readonly id: number; readonly end: End }
  | { readonly type: 'slow'; readonly id: number }
  | { readonly type: 'due' }
  | { readonly type: 'upgrade' }
  /** `anew`: what is open or under way is not worth a look; a new connection is there as fast. */
  | { readonly type: 'wake'; readonly anew: boolean }
  | { readonly type: 'offline' };

/** @internal */
export type Effect =
  | { readonly do: 'authorize'; readonly reason: TokenReason }
  | { readonly do: 'open'; readonly id: number; readonly transport: TransportName }
  | { readonly do: 'close'; readonly id: number }
  /** Begin to use this wire. */
  | { readonly do: 'live'; readonly id: number }
  | { readonly do: 'timer'; readonly ms: number; readonly type: 'due' | 'upgrade' }
  | { readonly do: 'cancel' }
  | { readonly do: 'check' }
  | { readonly do: 'remember'; readonly transport: TransportName | null }
  /** Give the positions up: the server cannot read them. */
  | { readonly do: 'forget' };

/** @internal */
export interface Surroundings {
  readonly now: number;
  readonly random: () => number;
}

/** @internal How long a connection must have held for its past failures to be forgotten. */
export const HELD = 5_000;
/** @internal After how long on a lower rung the higher ones are tried again; doubles each time. */
export const UPGRADE = 60_000;
const UPGRADE_MOST = 15 * 60_000;

/** @internal */
export function machine(ladder: readonly TransportName[], renewable: boolean, remembered: TransportName | null): Machine {
  const rung = remembered === null ? 0 : Math.max(0, ladder.indexOf(remembered));
  return { link: { name: 'idle' }, tries: [], failures: 0, reason: null, ladder, rung, renewable, renewals: 0, forgot: false, serial: 0 };
}

type Step = [Machine, Effect[]];

/** @internal What is and what is to be done after something happened. */
export function reduce(m: Machine, event: Happening, at: Surroundings): Step {
  const { link } = m;
  const stay: Step = [m, []];
  const look: Step = [m, link.name === 'connected' ? [{ do: 'check' }] : []];
  const active = link.name !== 'idle' && link.name !== 'disconnected' && link.name !== 'failed';
  switch (event.type) {
    case 'connect':
      if (link.name === 'waiting') return start({ ...anew(m), reason: link.reason });
      return active ? stay : start(anew(m));
    case 'disconnect':
      return become(m, { name: 'disconnected', reason: 'asked' });
    case 'suspend':
      return active ? become(m, { name: 'disconnected', reason: 'page hidden' }) : stay;
    case 'resume':
      return link.name === 'disconnected' && link.reason === 'page hidden' ? start(anew(m)) : stay;
    case 'use': {
      const changed = { ...m, ladder: event.ladder, rung: 0 };
      return active ? start(anew(changed)) : [changed, []];
    }
    case 'authorized':
      return link.name === 'authorizing' ? climb(m) : stay;
    case 'unauthorized':
      return link.name === 'authorizing' ? wait(m, { kind: 'token', code: 0, message: event.message, retry: true }, at) : stay;
    case 'opened':
      return opened(m, event.id, event.session, at);
    case 'ended':
      return link.name === 'connected' && link.live.id === event.id ? wireEnded(m, link, event.end, at) : attemptEnded(m, event.id, event.end, at);
    case 'slow':
      return link.name === 'connecting' && m.tries.at(-1)?.id === event.id ? next(m) : stay;
    case 'due':
      return link.name === 'waiting' ? start(m) : stay;
    case 'upgrade':
      // A higher rung beside the one that works; on the first it is NaN, above which there is none.
      return link.name === 'connected' && m.tries.length === 0 ? open(m, link.probes % link.live.rung, { ...link, probes: link.probes + 1 }) : stay;
    case 'wake':
      if (link.name === 'waiting' || (link.name === 'connecting' && event.anew)) return start(m);
      return link.name === 'connected' && event.anew ? start({ ...m, reason: { kind: 'silent', code: 0, message: 'The machine slept, or the network has changed.' } }) : look;
    case 'offline':
      return look;
  }
}

const anew = (m: Machine): Machine => ({ ...m, failures: 0, renewals: 0, reason: null });

/** What closes the wires that there are, except one. */
function closing({ link, tries }: Machine, except = 0): Effect[] {
  const wires = link.name === 'connected' ? [link.live, ...tries] : tries;
  return [{ do: 'cancel' }, ...wires.filter((t) => t.id !== except).map(({ id }): Effect => ({ do: 'close', id }))];
}

/** Gives the wires up that there are. */
const become = (m: Machine, link: Link, ...effects: Effect[]): Step => [{ ...m, link, tries: [] }, [...closing(m), ...effects]];

/** A step before which something else is done. */
const after = (effects: Effect[], [m, more]: Step): Step => [m, [...effects, ...more]];

function start(m: Machine, token: TokenReason = 'connect'): Step {
  return m.renewable ? become(m, { name: 'authorizing' }, { do: 'authorize', reason: token }) : climb(m);
}

const climb = (m: Machine): Step => after(closing(m), next({ ...m, tries: [] }));

/** Tries the next rung beside those that are tried, if there is one. */
function next(m: Machine): Step {
  const last = m.tries.at(-1);
  return open(m, last ? last.rung + 1 : m.rung, { name: 'connecting' });
}

/** Opens a wire, if the ladder has this rung. */
function open(m: Machine, rung: number, link: Link): Step {
  const transport = m.ladder[rung];
  if (!transport) return [m, []];
  const id = m.serial + 1;
  return [{ ...m, serial: id, link, tries: [...m.tries, { id, rung }] }, [{ do: 'open', id, transport }]];
}

function opened(m: Machine, id: number, session: string, at: Surroundings): Step {
  const live = m.tries.find((t) => t.id === id);
  if (!live) return [m, []];
  const { rung } = live;
  const effects: Effect[] = [...closing(m, id), { do: 'live', id }, { do: 'remember', transport: m.ladder[rung] ?? null }];
  if (rung > 0) effects.push({ do: 'timer', ms: UPGRADE, type: 'upgrade' });
  const failures = m.link.name === 'connected' ? 0 : m.failures;
  return [{ ...m, rung, failures, forgot: false, tries: [], link: { name: 'connected', live, since: at.now, session, probes: 0 } }, effects];
}

function wireEnded(m: Machine, link: Link & { name: 'connected' }, end: End, at: Surroundings): Step {
  const held = at.now - link.since >= HELD;
  const kept = held ? { ...m, failures: 0, renewals: 0 } : m;
  if (end.kind === 'refused') return refused(kept, end, at);
  // It was silent, not the server's end: nobody else comes back in this moment.
  if (end.kind === 'silent' && held) return start({ ...kept, reason: end });
  // Something in between lets it open and then cuts it: the next rung.
  const rung = held || end.kind === 'draining' ? m.rung : Math.min(link.live.rung + 1, m.ladder.length - 1);
  return wait({ ...kept, rung }, end, at);
}

function attemptEnded(m: Machine, id: number, end: End, at: Surroundings): Step {
  const link = { ...m.link }; // another, so that it is told
  const gone = m.tries.find((t) => t.id === id);
  if (!gone) return [m, []];
  const close: Effect = { do: 'close', id };
  const rest = { ...m, link, tries: m.tries.filter((t) => t !== gone) };
  if (link.name === 'connected') return [rest, [close, { do: 'timer', ms: Math.min(UPGRADE_MOST, UPGRADE * 2 ** link.probes), type: 'upgrade' }]];
  if (end.kind === 'refused' || end.kind === 'draining') return refused(m, end, at);
  if (m.tries.at(-1) === gone && m.ladder[gone.rung + 1]) return after([close], open(rest, gone.rung + 1, link));
  if (rest.tries.length > 0) return [rest, [close]];
  // What has worked before does not, so next time it is the whole ladder.
  return after(m.rung > 0 ? [{ do: 'remember', transport: null }] : [], wait({ ...m, rung: 0 }, end, at));
}

/** The server has said why not. */
function refused(m: Machine, end: End, at: Surroundings): Step {
  const expired = end.code === codes.token_expired;
  if ((expired || end.code === codes.unauthorized) && m.renewable && m.renewals === 0) return start({ ...m, reason: end, renewals: 1 }, expired ? 'expired' : 'refused');
  if (end.code === codes.bad_position && !m.forgot) return after([{ do: 'forget' }], start({ ...m, reason: end, forgot: true }));
  // A token that stays as it is will not become valid.
  const again = expired ? m.renewable : end.retry;
  return again ? wait(m, end, at) : become(m, { name: 'failed', code: end.code, reason: plain(end) });
}

function wait(m: Machine, end: End, at: Surroundings): Step {
  const failures = m.failures + 1;
  const drawn = delay(failures, at.random);
  const ms = end.kind === 'draining' ? (end.after ?? drawn) : Math.max(drawn, end.after ?? 0);
  const reason = plain(end);
  return become({ ...m, failures, reason }, { name: 'waiting', retryIn: ms, retryAt: at.now + ms, attempt: failures, reason }, { do: 'timer', ms, type: 'due' });
}

/** @internal What an application is told of it. */
export function told({ link, tries, failures: attempt, reason, ladder }: Machine): ConnectionState {
  switch (link.name) {
    case 'authorizing':
    case 'connecting':
      return { name: 'connecting', transport: ladder[tries.at(-1)?.rung ?? -1] ?? null, attempt, reason: reason && plain(reason) };
    case 'connected':
      return { name: link.name, transport: ladder[link.live.rung] ?? 'websocket', session: link.session };
    default:
      return link;
  }
}

const plain = ({ kind, code, message }: Reason): Reason => ({ kind, code, message });
