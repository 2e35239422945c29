// The wire as docs/protocol.md has it: codes, messages, and how they are read.

/** Every code of an error, by its name. A code means the same for ever. */
export const codes = {
  malformed: 4000, unknown_type: 4001, invalid_field: 4002, bad_channel: 4003, bad_position: 4004,
  too_large: 4005, not_supported: 4006, not_found: 4007,
  unauthorized: 4100, forbidden: 4101, rate_limited: 4102, limit_reached: 4103, bad_origin: 4104,
  slow: 4105, no_pong: 4106, token_expired: 4107, revoked: 4108, disconnected: 4109, too_many_sessions: 4110,
  already_subscribed: 4200, not_subscribed: 4201, key_reused: 4202, conflict: 4203,
  session_gone: 4204, session_busy: 4205,
  unavailable: 4300, unknown_result: 4301, draining: 4302, internal: 4303,
} as const;

/** What is wrong, as the server says it. */
export interface Refusal {
  readonly code: number;
  readonly name: string;
  readonly message: string;
  /** Whether the same may succeed later. */
  readonly retry: boolean;
}

/** Something that is stored in a channel. */
export interface Publication<T = unknown> {
  readonly channel: string;
  /** Grows along the channel, with gaps. Only good for telling what is newer. */
  readonly offset: number;
  /** Refer to the publication by this. */
  readonly id: string;
  readonly data: T;
  /** The key that its publisher gave, by which a client knows its own. */
  readonly key?: string;
  /** Who published it, if that is known. */
  readonly user?: string;
  /** When the server stored it, in Unix milliseconds. */
  readonly time: number;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Something that is not stored: the newest value of a key, or a passing remark. */
export interface Signal<T = unknown> {
  readonly channel: string;
  /** Not there if the value of the key was deleted. */
  readonly data?: T;
  readonly deleted?: true;
  /** The key of which this is the newest value. */
  readonly conflate?: string;
  readonly user?: string;
  readonly time: number;
}

/** Which publications are wanted: each tag with a value, or one of several. */
export type Filter = Readonly<Record<string, string | readonly string[]>>;

/** What happens when this client is slower than the channel. */
export type SlowPolicy = 'catchup' | 'latest' | 'disconnect';

/** @internal */
export interface Command {
  readonly type: 'connect' | 'refresh' | 'subscribe' | 'unsubscribe' | 'publish' | 'signal' | 'history' | 'call' | 'ping' | 'pong';
  readonly id?: number;
  readonly [field: string]: unknown;
}

/** @internal */
export type Fields = Readonly<Record<string, unknown>>;

/** @internal What the server says, with the fields that were found to be what they should. */
export type Message =
  | { readonly type: 'reply'; readonly id: number | string | null; readonly result: Fields }
  | { readonly type: 'reply'; readonly id: number | string | null; readonly error: Refusal }
  | { readonly type: 'error'; readonly channel: string; readonly error: Refusal }
  | ({ readonly type: 'publication' } & Publication)
  | ({ readonly type: 'signal' } & Signal)
  | { readonly type: 'subscribed'; readonly channel: string; readonly position: string; readonly recovered: boolean }
  | { readonly type: 'unsubscribed'; readonly channel: string; readonly error: Refusal | null }
  | { readonly type: 'reset'; readonly channel: string; readonly position: string; readonly reason: string; readonly line: string }
  | { readonly type: 'position' | 'skipped'; readonly channel: string; readonly position: string }
  | { readonly type: 'session'; readonly session: string }
  | { readonly type: 'drain'; readonly after: number }
  | { readonly type: 'ping' | 'pong' };

/** @internal */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @internal */
export function parseObject(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : null;
  } catch {
    return null;
  }
}

/** @internal */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
/** @internal */
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** @internal Reads {"code","name","message","retry"}, or returns null. */
export function refusalOf(value: unknown): Refusal | null {
  if (!isFields(value) || typeof value.code !== 'number') return null;
  return { code: value.code, name: textOf(value.name), message: textOf(value.message), retry: value.retry === true };
}

/** @internal Reads "name: sentence", as it stands behind a close code or in a header. */
export function refusalFrom(code: number, reason: string): Refusal {
  const [, name, message] = /^(\w+): (.*)$/s.exec(reason) ?? [];
  return { code, name: name ?? nameOf(code), message: message ?? (reason || 'The server has ended the session.'), retry: isRetryable(code) };
}

/** @internal */
export function nameOf(code: number): string {
  for (const [name, c] of Object.entries(codes)) if (c === code) return name;
  return '';
}

const RETRYABLE: ReadonlySet<number> = new Set([
  codes.rate_limited, codes.slow, codes.no_pong, codes.too_many_sessions, codes.session_gone, codes.session_busy,
  codes.unavailable, codes.unknown_result, codes.draining, codes.internal,
]);

/** @internal Whether the same may succeed later, for codes that come without a word on it. */
export const isRetryable = (code: number): boolean => RETRYABLE.has(code);

/** @internal Reads a message of the server; null is one that this client does not know. */
export function readMessage(m: Fields): Message | null {
  const channel = textOf(m.channel);
  const position = textOf(m.position);
  switch (m.type) {
    case 'publication':
      return typeof m.offset === 'number' && channel ? (m as unknown as Message) : null;
    case 'signal':
      return channel ? (m as unknown as Message) : null;
    case 'reply': {
      const id = typeof m.id === 'number' || typeof m.id === 'string' ? m.id : null;
      const error = refusalOf(m.error);
      return error ? { type: 'reply', id, error } : { type: 'reply', id, result: isFields(m.result) ? m.result : {} };
    }
    case 'error': {
      const error = refusalOf(m.error);
      return error && { type: 'error', channel, error };
    }
    case 'subscribed':
      return { type: 'subscribed', channel, position, recovered: m.recovered === true };
    case 'unsubscribed':
      return { type: 'unsubscribed', channel, error: refusalOf(m.error) };
    case 'reset':
      return { type: 'reset', channel, position, reason: textOf(m.reason), line: textOf(m.line) };
    case 'position':
    case 'skipped':
      return { type: m.type, channel, position };
    case 'session':
      return { type: 'session', session: textOf(m.session) };
    case 'drain':
      return { type: 'drain', after: numberOf(m.after) };
    case 'ping':
    case 'pong':
      return { type: m.type };
    default:
      return null;
  }
}

/** @internal The channel's name begins with what stands before the star. */
export function isWildcard(channel: string): boolean {
  return channel.endsWith('*');
}

/** @internal Whether a subscription to one name gets what is sent on the other. */
export function matches(pattern: string, channel: string): boolean {
  return pattern === channel || (isWildcard(pattern) && channel.startsWith(pattern.slice(0, -1)));
}

/** Why a text cannot be the name of a channel or a wildcard, or an empty text if it can. */
export function channelTrouble(name: string): string {
  if (name === '') return 'A channel needs a name.';
  if (name.length > 255) return 'The name of a channel has at most 255 characters.';
  const stem = isWildcard(name) ? name.slice(0, -1) : name;
  return /^[A-Za-z0-9_\-.:/@#$+=~!]+$/.test(stem) ? '' : 'The name of a channel is made of letters, digits and _-.:/@#$+=~!';
}
