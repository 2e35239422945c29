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
  readonly after?: number;
}

/** @internal A wire that is open or being opened. */
export interface Try {
  readonly id: number;
  readonly rung: number;
}

/** @internal */
export type Link =
  | { readonly name: 'idle' }
  | { readonly name: 'authorizing'; readonly failures: number; readonly reason: Reason | null }
  | { readonly name: 'connecting'; readonly failures: number; readonly reason: Reason | null; readonly tries: readonly Try[] }
  | { readonly name: 'connected'; readonly failures: number; readonly live: Try; readonly since: number; readonly session: string; readonly probe: Try | null; readonly probes: number }
  | { readonly name: 'waiting'; readonly failures: number; readonly until: number; readonly ms: number; readonly reason: Reason }
  | { readonly name: 'disconnected'; readonly why: 'asked' | 'page hidden' }
  | { readonly name: 'failed'; readonly reason: Reason };

/** @internal */
export interface Machine {
  readonly link: Link;
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
  return { link: { name: 'idle' }, ladder, rung, renewable, renewals: 0, forgot: false, serial: 0 };
}

type Step = [Machine, Effect[]];

/** @internal What is and what is to be done after something happened. */
export function reduce(m: Machine, event: Happening, at: Surroundings): Step {
  const { link } = m;
  switch (event.type) {
    case 'connect':
      if (isTrying(link)) return [m, []];
      return link.name === 'waiting' ? start({ ...m, renewals: 0 }, 0, link.reason) : start({ ...m, renewals: 0 }, 0, null);
    case 'disconnect':
      return halt(m, { name: 'disconnected', why: 'asked' });
    case 'suspend':
      return isTrying(link) || link.name === 'waiting' ? halt(m, { name: 'disconnected', why: 'page hidden' }) : [m, []];
    case 'resume':
      return link.name === 'disconnected' && link.why === 'page hidden' ? start(m, 0, null) : [m, []];
    case 'use':
      return use(m, event.ladder);
    case 'authorized':
      return link.name === 'authorizing' ? climb(m, link.failures, link.reason) : [m, []];
    case 'unauthorized':
      if (link.name !== 'authorizing') return [m, []];
      return wait(m, link.failures, { kind: 'token', code: 0, message: event.message, retry: true }, at);
    case 'opened':
      return opened(m, event.id, event.session, at);
    case 'ended':
      return ended(m, event.id, event.end, at);
    case 'slow':
      return link.name === 'connecting' && link.tries.at(-1)?.id === event.id ? next(m, link) : [m, []];
    case 'due':
      return link.name === 'waiting' ? start(m, link.failures, link.reason) : [m, []];
    case 'upgrade':
      return upgrade(m);
    case 'wake':
      if (link.name === 'waiting' || (link.name === 'connecting' && event.anew)) return start(m, link.failures, link.reason);
      if (link.name === 'connected' && event.anew) return start(m, link.failures, { kind: 'silent', code: 0, message: 'The machine slept, or the network has changed.' });
      return [m, link.name === 'connected' ? [{ do: 'check' }] : []];
    case 'offline':
      return [m, link.name === 'connected' ? [{ do: 'check' }] : []];
  }
}

const isTrying = (link: Link): boolean => link.name === 'authorizing' || link.name === 'connecting' || link.name === 'connected';

/** The wires of a link. */
function wires(link: Link): readonly Try[] {
  if (link.name === 'connecting') return link.tries;
  if (link.name === 'connected') return link.probe ? [link.live, link.probe] : [link.live];
  return [];
}

function closing(link: Link, except = -1): Effect[] {
  const effects: Effect[] = [{ do: 'cancel' }];
  for (const t of wires(link)) if (t.id !== except) effects.push({ do: 'close', id: t.id });
  return effects;
}

function halt(m: Machine, link: Link): Step {
  return [{ ...m, link }, closing(m.link)];
}

function start(m: Machine, failures: number, reason: Reason | null, token: TokenReason = 'connect'): Step {
  if (!m.renewable) return climb(m, failures, reason);
  return [{ ...m, link: { name: 'authorizing', failures, reason } }, [...closing(m.link), { do: 'authorize', reason: token }]];
}

function climb(m: Machine, failures: number, reason: Reason | null): Step {
  const [stepped, effects] = next({ ...m, link: { name: 'idle' } }, { name: 'connecting', failures, reason, tries: [] });
  return [stepped, [...closing(m.link), ...effects]];
}

/** Tries the next rung as well, if there is one. */
function next(m: Machine, link: Link & { name: 'connecting' }): Step {
  const last = link.tries.at(-1);
  const rung = last ? last.rung + 1 : m.rung;
  const transport = m.ladder[rung];
  if (transport === undefined) return [m, []];
  const id = m.serial + 1;
  return [{ ...m, serial: id, link: { ...link, tries: [...link.tries, { id, rung }] } }, [{ do: 'open', id, transport }]];
}

function opened(m: Machine, id: number, session: string, at: Surroundings): Step {
  const { link } = m;
  const live = wires(link).find((t) => t.id === id);
  if (!live || (link.name === 'connected' && link.live.id === id)) return [m, []];
  const failures = link.name === 'connecting' ? link.failures : 0;
  const effects = [...closing(link, id), { do: 'live', id } as const];
  const transport = m.ladder[live.rung];
  if (transport) effects.push({ do: 'remember', transport });
  if (live.rung > 0) effects.push({ do: 'timer', ms: UPGRADE, type: 'upgrade' });
  return [{ ...m, rung: live.rung, forgot: false, link: { name: 'connected', failures, live, since: at.now, session, probe: null, probes: 0 } }, effects];
}

/** Tries a higher rung beside the one that works. */
function upgrade(m: Machine): Step {
  const { link } = m;
  if (link.name !== 'connected' || link.live.rung === 0 || link.probe) return [m, []];
  const rung = link.probes % link.live.rung;
  const transport = m.ladder[rung];
  if (transport === undefined) return [m, []];
  const id = m.serial + 1;
  return [{ ...m, serial: id, link: { ...link, probe: { id, rung }, probes: link.probes + 1 } }, [{ do: 'open', id, transport }]];
}

function use(m: Machine, ladder: readonly TransportName[]): Step {
  const changed = { ...m, ladder, rung: 0 };
  if (!isTrying(m.link) && m.link.name !== 'waiting') return [changed, []];
  return start(changed, 0, null);
}

function ended(m: Machine, id: number, end: End, at: Surroundings): Step {
  const { link } = m;
  if (link.name === 'connecting') return attemptEnded(m, link, id, end, at);
  if (link.name !== 'connected') return [m, []];
  if (link.probe?.id === id) {
    const ms = Math.min(UPGRADE_MOST, UPGRADE * 2 ** link.probes);
    return [{ ...m, link: { ...link, probe: null } }, [{ do: 'close', id }, { do: 'timer', ms, type: 'upgrade' }]];
  }
  if (link.live.id !== id) return [m, []];
  const held = at.now - link.since >= HELD;
  const failures = held ? 0 : link.failures;
  const kept = held ? { ...m, renewals: 0 } : m;
  if (end.kind === 'refused') return refused(kept, failures, end, at);
  // It was silent, not the server's end: nobody else comes back in this moment.
  if (end.kind === 'silent' && held) return start(kept, failures, end);
  // Something in between lets it open and then cuts it: the next rung.
  const demoted = held || end.kind === 'draining' ? kept : { ...kept, rung: Math.min(link.live.rung + 1, m.ladder.length - 1) };
  return wait(demoted, failures, end, at);
}

function attemptEnded(m: Machine, link: Link & { name: 'connecting' }, id: number, end: End, at: Surroundings): Step {
  const gone = link.tries.find((t) => t.id === id);
  if (!gone) return [m, []];
  if (end.kind === 'refused' || end.kind === 'draining') return refused(m, link.failures, end, at);
  const tries = link.tries.filter((t) => t.id !== id);
  const close: Effect = { do: 'close', id };
  if (link.tries.at(-1)?.id === id && m.ladder[gone.rung + 1] !== undefined) {
    const [stepped, effects] = next(m, link);
    const now = stepped.link as Link & { name: 'connecting' };
    return [{ ...stepped, link: { ...now, tries: now.tries.filter((t) => t.id !== id) } }, [close, ...effects]];
  }
  if (tries.length > 0) return [{ ...m, link: { ...link, tries } }, [close]];
  // What has worked before does not, so next time it is the whole ladder.
  const [waiting, effects] = wait({ ...m, rung: 0 }, link.failures, end, at);
  return [waiting, m.rung > 0 ? [...effects, { do: 'remember', transport: null }] : effects];
}

/** The server has said why not. */
function refused(m: Machine, failures: number, end: End, at: Surroundings): Step {
  const aboutToken = end.code === codes.token_expired || end.code === codes.unauthorized;
  if (aboutToken && m.renewable && m.renewals === 0) {
    return start({ ...m, renewals: 1 }, failures, end, end.code === codes.token_expired ? 'expired' : 'refused');
  }
  if (end.code === codes.bad_position && !m.forgot) {
    const [stepped, effects] = start({ ...m, forgot: true }, failures, end);
    return [stepped, [{ do: 'forget' }, ...effects]];
  }
  // A token that stays as it is will not become valid.
  const again = end.code === codes.token_expired ? m.renewable : end.retry;
  return !again ? halt(m, { name: 'failed', reason: end }) : wait(m, failures, end, at);
}

function wait(m: Machine, before: number, end: End, at: Surroundings): Step {
  const failures = before + 1;
  const drawn = delay(failures, at.random);
  const ms = end.kind === 'draining' ? (end.after ?? drawn) : Math.max(drawn, end.after ?? 0);
  const { kind, code, message } = end;
  const link: Link = { name: 'waiting', failures, until: at.now + ms, ms, reason: { kind, code, message } };
  return [{ ...m, link }, [...closing(m.link), { do: 'timer', ms, type: 'due' }]];
}

/** @internal What an application is told of it. */
export function told(m: Machine): ConnectionState {
  const { link } = m;
  switch (link.name) {
    case 'idle':
      return { name: 'idle' };
    case 'authorizing':
      return { name: 'connecting', transport: null, attempt: link.failures, reason: link.reason && plain(link.reason) };
    case 'connecting':
      return { name: 'connecting', transport: m.ladder[link.tries.at(-1)?.rung ?? 0] ?? null, attempt: link.failures, reason: link.reason && plain(link.reason) };
    case 'connected':
      return { name: 'connected', transport: m.ladder[link.live.rung] ?? 'websocket', session: link.session };
    case 'waiting':
      return { name: 'waiting', retryIn: link.ms, retryAt: link.until, attempt: link.failures, reason: plain(link.reason) };
    case 'disconnected':
      return { name: 'disconnected', reason: link.why };
    case 'failed':
      return { name: 'failed', code: link.reason.code, reason: plain(link.reason) };
  }
}

function plain({ kind, code, message }: Reason): Reason {
  return { kind, code, message };
}
