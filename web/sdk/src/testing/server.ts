import { type Client, type ClientOptions, clientIn } from '../index.js';
import type { Fields } from '../protocol.js';
import type { Environment, WebSocketLike, WebSocketMaker } from '../wire.js';
import { TestClock } from './clock.js';

/** How a test server behaves. */
export interface TestServerOptions {
  /** How many publications a channel keeps; all unless told. What was removed is a `reset` for who was away. */
  readonly keep?: number;
  /** Whom the server takes a client for; anonymous unless told. Throw to refuse a token. */
  readonly authenticate?: (token: string) => string;
  /** Whether a user may do something on a channel; always unless told. */
  readonly authorize?: (user: string, verb: 'subscribe' | 'publish' | 'signal' | 'history', channel: string) => boolean;
  /** Answers `client.call`; refused with 4006 unless told. */
  readonly call?: (method: string, data: unknown, user: string) => unknown;
}

/** What lies between the clients and the server. */
export interface TestNetwork {
  /** Whether a connection can be opened. Those that are open stay. */
  online: boolean;
  /** How long each way takes, in milliseconds. */
  delay: number;
  /** Breaks all connections: what is under way is lost. */
  cut(): void;
}

interface Stored {
  readonly offset: number;
  readonly fields: Fields;
  readonly owner: string;
}

interface Channel {
  /** The number of the log's life: of another life no position holds. */
  epoch: number;
  log: Stored[];
  /** The offset of the last that was removed. */
  removed: number;
  readonly values: Map<string, Fields>;
}

interface Session {
  readonly id: string;
  user: string;
  readonly channels: Set<string>;
  readonly tell: (message: Fields) => void;
  readonly end: (code: number, reason: string) => void;
}

const refusal = (code: number, name: string, message: string, retry = false): Fields => ({ code, name, message, retry });
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * A server in memory for the unit tests of an application, with clients of the real kind.
 *
 * ```ts
 * const server = new TestServer();
 * const client = server.client();
 * const chat = client.channel('chat');
 * chat.on('publication', show);
 * await server.clock.pass(100);
 * server.publish('chat', { text: 'hello' });
 * await server.clock.pass(100);
 * ```
 *
 * It speaks WebSocket, keeps what is published, and knows signals, history, filters by tags, calls and tokens. It has no wildcards.
 */
export class TestServer {
  readonly clock = new TestClock();
  readonly network: TestNetwork;
  readonly #o: TestServerOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #sessions = new Set<Session>();
  readonly #connections = new Set<{ cut(): void }>();
  readonly #filters = new WeakMap<Session, Map<string, unknown>>();
  #offset = 0;
  #n = 0;

  constructor(options: TestServerOptions = {}) {
    this.#o = options;
    this.network = {
      online: true,
      delay: 5,
      cut: () => {
        for (const c of [...this.#connections]) c.cut();
      },
    };
  }

  /** Makes a client of this server. It knows this network and this clock only. */
  client(options: ClientOptions = {}): Client {
    return clientIn({ ...options, transports: ['websocket'] }, this.#environment(), { get: () => null, set: () => {} }, 'http://test/');
  }

  /** How many clients are connected. */
  get connected(): number {
    return this.#sessions.size;
  }

  /** Publishes, as an application's backend does. */
  publish(channel: string, data: unknown, more: { readonly key?: string; readonly tags?: Readonly<Record<string, string>> } = {}): void {
    this.#publish(channel, { data, ...more }, '');
  }

  /** Sends a signal, as an application's backend does. */
  signal(channel: string, data: unknown, conflate?: string): void {
    this.#signal(channel, { data, ...(conflate !== undefined && { conflate }) }, '');
  }

  /** The data that a channel keeps, oldest first. */
  stored(channel: string): unknown[] {
    return this.#channel(channel).log.map((s) => s.fields.data);
  }

  /** Loses a channel's log, as a server does whose store is gone: clients are told `reset`. */
  lose(channel: string): void {
    const ch = this.#channel(channel);
    ch.epoch++;
    ch.log = [];
    ch.removed = 0;
    this.#tell(channel, { type: 'reset', channel, position: this.#position(channel), reason: 'epoch' });
  }

  /** Ends all connections as a server does that is restarted: clients come back when it said. */
  drain(after = 1_000): void {
    for (const s of [...this.#sessions]) {
      s.tell({ type: 'drain', after });
      s.end(4302, 'draining: The server is going away.');
    }
  }

  /** Ends the sessions of a user, for good. */
  disconnect(user: string): void {
    for (const s of [...this.#sessions]) if (s.user === user) s.end(4109, 'disconnected: The session was ended.');
  }

  #environment(): Environment {
    const { clock } = this;
    return {
      now: () => clock.now,
      random: () => 0.5,
      setTimeout: (f, ms) => clock.after(ms, f),
      clearTimeout: (timer) => clock.cancel(timer),
      WebSocket: this.#socket(),
      fetch: () => Promise.reject(new TypeError('There are only WebSockets here.')),
    };
  }

  #channel(name: string): Channel {
    const ch = this.#channels.get(name) ?? { epoch: 1, log: [], removed: 0, values: new Map() };
    this.#channels.set(name, ch);
    return ch;
  }

  #position(name: string, offset?: number): string {
    const ch = this.#channel(name);
    return `${ch.epoch}-${offset ?? ch.log.at(-1)?.offset ?? ch.removed}`;
  }

  /** Where a position leads in this life of the log; null if nowhere. */
  #place(name: string, since: string): number | null {
    const [, epoch, at, dot] = /^(\d+)-(\d+)(?:\.(\d+))?$/.exec(since) ?? [];
    const ch = this.#channel(name);
    const place = Math.max(Number(at), Number(dot ?? 0));
    return Number(epoch) === ch.epoch && place >= ch.removed ? place : null;
  }

  #tell(channel: string, message: Fields, wanted: (s: Session) => boolean = () => true): void {
    for (const s of this.#sessions) if (s.channels.has(channel) && wanted(s)) s.tell(message);
  }

  #publish(channel: string, c: Fields, owner: string): Fields {
    const ch = this.#channel(channel);
    const known = ch.log.find((s) => c.key !== undefined && s.fields.key === c.key && s.owner === owner);
    if (known) return { offset: known.offset, position: this.#position(channel, known.offset), duplicate: true };
    const offset = ++this.#offset;
    const { data, key, tags } = c;
    const fields = { type: 'publication', channel, offset, id: `p${offset}`, data, time: this.clock.now, ...(key !== undefined && { key }), ...(tags !== undefined && { tags }), ...(owner && { user: owner }) };
    ch.log.push({ offset, fields, owner });
    for (const gone of ch.log.splice(0, Math.max(0, ch.log.length - (this.#o.keep ?? Infinity)))) ch.removed = gone.offset;
    this.#tell(channel, fields, (s) => this.#passes(s, channel, fields));
    return { offset, position: this.#position(channel), duplicate: false };
  }

  #passes(s: Session, channel: string, fields: Fields): boolean {
    return passes(this.#filters.get(s)?.get(channel), fields);
  }

  #signal(channel: string, c: Fields, user: string): void {
    const { values } = this.#channel(channel);
    const key = text(c.conflate);
    const { data } = c;
    const fields = { type: 'signal', channel, time: this.clock.now, ...(c.delete === true ? { deleted: true } : { data }), ...(key && { conflate: key }), ...(user && { user }) };
    if (key && c.delete === true) values.delete(key);
    else if (key) values.set(key, fields);
    this.#tell(channel, fields);
  }

  #command(s: Session, c: Fields): Fields {
    const channel = text(c.channel);
    const verb = c.type;
    if (verb === 'subscribe' || verb === 'publish' || verb === 'signal' || verb === 'history') {
      if (this.#o.authorize && !this.#o.authorize(s.user, verb, channel)) return { error: refusal(4101, 'forbidden', `The user may not ${verb} on ${channel}.`) };
    }
    switch (verb) {
      case 'connect':
      case 'refresh':
        return this.#identify(s, text(c.token));
      case 'subscribe':
        return this.#subscribe(s, channel, c);
      case 'unsubscribe':
        s.channels.delete(channel);
        return { result: {} };
      case 'publish':
        return { result: this.#publish(channel, c, s.user) };
      case 'signal':
        this.#signal(channel, c, s.user);
        return { result: {} };
      case 'history':
        return { result: this.#history(channel, c) };
      case 'call':
        if (!this.#o.call) return { error: refusal(4006, 'not_supported', 'Nobody answers calls here.') };
        return { result: { data: this.#o.call(text(c.method), c.data, s.user) ?? null } };
      default:
        return { result: {} };
    }
  }

  #identify(s: Session, token: string): Fields {
    try {
      s.user = this.#o.authenticate?.(token) ?? '';
    } catch (e) {
      return { error: refusal(4100, 'unauthorized', e instanceof Error ? e.message : String(e)) };
    }
    return { result: { session: s.id, user: s.user, ping: 0, maxMessage: 65_536 } };
  }

  #subscribe(s: Session, channel: string, c: Fields): Fields {
    if (channel.endsWith('*')) return { error: refusal(4006, 'not_supported', 'The test server has no wildcards.') };
    if (s.channels.has(channel)) return { error: refusal(4200, 'already_subscribed', `The session is subscribed to ${channel} already.`) };
    s.channels.add(channel);
    const filters = this.#filters.get(s) ?? new Map<string, unknown>();
    this.#filters.set(s, filters.set(channel, c.filter));
    const ch = this.#channel(channel);
    const since = text(c.since);
    const place = since ? this.#place(channel, `${since}${typeof c.offset === 'number' ? `.${c.offset}` : ''}`) : null;
    const position = place === null ? this.#position(channel) : this.#position(channel, place);
    // After the reply, and at once: what is published next comes behind it.
    const missed = place === null ? [] : ch.log.filter((p) => p.offset > place);
    queueMicrotask(() => {
      for (const { fields } of missed) if (this.#passes(s, channel, fields)) s.tell(fields);
      for (const value of ch.values.values()) s.tell(value);
    });
    return { result: { position, recovered: place !== null } };
  }

  #history(channel: string, c: Fields): Fields {
    const { log, removed } = this.#channel(channel);
    const limit = typeof c.limit === 'number' ? c.limit : 100;
    const all = log.filter((p) => passes(c.filter, p.fields));
    const before = typeof c.before === 'string' ? (this.#place(channel, c.before) ?? 0) : Infinity;
    const since = typeof c.since === 'string' ? (this.#place(channel, c.since) ?? 0) : 0;
    const backward = c.newest === true || c.before !== undefined;
    const range = all.filter((p) => p.offset > since && p.offset < before);
    const page = backward ? range.slice(-limit) : range.slice(0, limit);
    const edge = backward ? page[0] : page.at(-1);
    return { publications: page.map((p) => p.fields), position: this.#position(channel, edge?.offset ?? since), more: range.length > page.length, complete: since >= removed };
  }

  #socket(): WebSocketMaker {
    const { clock, network } = this;
    const sessions = this.#sessions;
    const connections = this.#connections;
    const command = (s: Session, c: Fields): Fields => this.#command(s, c);
    const id = (): string => `s${++this.#n}`;
    return class implements WebSocketLike {
      readyState = 0;
      readonly bufferedAmount = 0;
      onopen: WebSocketLike['onopen'] = null;
      onmessage: WebSocketLike['onmessage'] = null;
      onclose: WebSocketLike['onclose'] = null;
      onerror: WebSocketLike['onerror'] = null;
      #session: Session | null = null;

      constructor() {
        connections.add(this);
        this.#later(() => {
          if (network.online) this.#open();
          else this.#close(1006, '');
        }, 2);
      }

      /** Does it when it has gone its way, if the connection is there then. */
      #later(f: () => void, ways = 1): void {
        clock.after(network.delay * ways, () => {
          if (this.readyState < 2) f();
        });
      }

      #open(): void {
        this.readyState = 1;
        this.#session = {
          id: id(), user: '', channels: new Set(),
          tell: (m) => this.#later(() => call(this.onmessage, { data: JSON.stringify(m) })),
          end: (code, reason) => {
            if (this.#session) sessions.delete(this.#session);
            this.#later(() => this.#close(code, reason));
          },
        };
        sessions.add(this.#session);
        call(this.onopen, {});
      }

      send(sent: string): void {
        this.#later(() => {
          const s = this.#session;
          if (!s || !sessions.has(s)) return;
          const c = JSON.parse(sent) as Fields;
          const answer = command(s, c);
          if (c.id !== undefined) s.tell({ type: 'reply', id: c.id, ...answer });
          else if (answer.error) s.tell({ type: 'error', channel: text(c.channel), error: answer.error });
        });
      }

      cut(): void {
        this.#close(1006, '');
      }

      close(): void {
        this.#close(1000, '');
      }

      #close(code: number, reason: string): void {
        if (this.readyState === 3) return;
        this.readyState = 3;
        connections.delete(this);
        if (this.#session) sessions.delete(this.#session);
        call(this.onclose, { code, reason });
      }
    };
  }
}

/** Whether a filter lets a publication pass. */
function passes(filter: unknown, fields: Fields): boolean {
  const tags = (fields.tags ?? {}) as Fields;
  return Object.entries((filter ?? {}) as Fields).every(([tag, wanted]) => (Array.isArray(wanted) ? wanted.includes(tags[tag]) : tags[tag] === wanted));
}

function call(f: ((event: never) => void) | null, event: object): void {
  (f as ((event: object) => void) | null)?.(event);
}
