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
  | { readonly type: 'reply'; readonly id: unknown; readonly result: Fields }
  | { readonly type: 'reply'; readonly id: unknown; readonly error: Refusal }
  | { readonly type: 'error'; readonly channel: string; readonly error: Refusal }
  | ({ readonly type: 'publication' } & Publication)
  | ({ readonly type: 'signal' } & Signal)
  | Notice;

/** @internal What the server says beside, with all fields that such a message may have. */
export interface Notice {
  readonly type: 'subscribed' | 'unsubscribed' | 'reset' | 'position' | 'skipped' | 'session' | 'drain' | 'ping' | 'pong';
  readonly channel: string;
  readonly position: string;
  readonly recovered: boolean;
  readonly error: Refusal | null;
  readonly reason: string;
  /** See Cursor. */
  readonly line: string;
  readonly session: string;
  readonly after: number;
}

/** @internal */
export function isFields(value: unknown): value is Fields {
  return Object(value) === value && !Array.isArray(value);
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
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
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
  return Object.entries(codes).find(([, c]) => c === code)?.[0] ?? '';
}

/** @internal Whether the same may succeed later, for codes that come without a word on it. */
export const isRetryable = (code: number): boolean => code >= codes.unavailable || ([codes.rate_limited, codes.slow, codes.no_pong, codes.too_many_sessions, codes.session_gone, codes.session_busy] as number[]).includes(code);

/** @internal Reads a message of the server; null is one that this client does not know. */
export function readMessage(m: Fields): Message | null {
  const { type, id } = m;
  const channel = textOf(m.channel);
  const error = refusalOf(m.error);
  switch (type) {
    case 'publication':
      return typeof m.offset === 'number' && channel ? (m as unknown as Message) : null;
    case 'signal':
      return channel ? (m as unknown as Message) : null;
    case 'reply':
      return { type, id, ...(error ? { error } : { result: isFields(m.result) ? m.result : {} }) };
    case 'error':
      return error && { type, channel, error };
    case 'subscribed':
    case 'unsubscribed':
    case 'reset':
    case 'position':
    case 'skipped':
    case 'session':
    case 'drain':
    case 'ping':
    case 'pong':
      return {
        type, channel, error,
        position: textOf(m.position), recovered: m.recovered === true, reason: textOf(m.reason), line: textOf(m.line), session: textOf(m.session), after: numberOf(m.after),
      };
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
  return name.length < 256 && /^[\w\-.:/@#$+=~!]+\*?$/.test(name) ? '' : 'The name of a channel is made of 1 to 255 letters, digits and _-.:/@#$+=~!';
}
