// A world of its own for a client: time that is moved by hand, chance from a seed, a network that delays, cuts and
// blocks, and a server that is small enough to be obviously right.

import type { Environment, WebSocketLike, WebSocketMaker } from '../src/wire.js';

/** Chance from a seed (mulberry32). */
export function chance(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Timer {
  readonly at: number;
  readonly f: () => void;
}

/** Time, and chance. */
export class Clock {
  now = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();
  constructor(readonly random: () => number) {}

  after(ms: number, f: () => void): Timer {
    const timer = { at: this.now + Math.max(0, ms), f };
    this.#timers.add(timer);
    return timer;
  }

  cancel(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  /** Lets time pass, and whatever happens in it happen. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await new Promise((done) => setImmediate(done)); // promises first
      let next: Timer | undefined;
      for (const t of this.#timers) if (t.at <= end && (!next || t.at < next.at)) next = t;
      if (!next) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.f();
    }
    this.now = end;
  }

  between(from: number, to: number): number {
    return from + this.random() * (to - from);
  }
}

interface Stored {
  readonly offset: number;
  readonly channel: string;
  readonly data: unknown;
  readonly key: string | undefined;
}

type Fields = Record<string, unknown>;

/** A session of the model: it holds where each channel stands, and sends what comes next, in no order between channels. */
class ModelSession {
  readonly places = new Map<string, number>();
  waiting: (() => void) | null = null;
  polls = false;
  constructor(
    readonly id: string,
    readonly send: (m: Fields, position: string) => void,
    readonly end: (code: number) => void,
  ) {}

  get position(): string {
    return encode(this.places);
  }
}

function encode(places: ReadonlyMap<string, number>): string {
  return Buffer.from(JSON.stringify([...places])).toString('base64url');
}

function decode(since: string): Map<string, number> {
  const all = new Map<string, number>();
  for (const cursor of since ? since.split(',') : []) {
    const [position = '', offset] = cursor.split('.');
    const places = JSON.parse(Buffer.from(position, 'base64url').toString()) as [string, number][];
    if (offset !== undefined && places.length !== 1) throw new Error(`a dot behind a position of ${places.length} channels`);
    for (const [channel, at] of places) if (!all.has(channel)) all.set(channel, Math.max(at, Number(offset ?? 0)));
  }
  return all;
}

/** Channels as lists, sessions as places in them. */
export class ModelServer {
  readonly logs = new Map<string, Stored[]>();
  readonly sessions = new Map<string, ModelSession>();
  readonly signals: Fields[] = [];
  /** What it says of tokens: in how many milliseconds they expire. */
  expires = 600_000;
  /** Whom it takes its clients for. */
  user = '';
  /** What it refuses to store. */
  refuses: unknown = undefined;
  /** Channels to which it subscribes each session by itself. */
  gives: readonly string[] = [];
  /** Channels that nobody may subscribe to. */
  readonly forbids = new Set<string>();
  up = true;
  #n = 0;
  #offset = 0;

  constructor(readonly clock: Clock) {}

  log(channel: string): Stored[] {
    const log = this.logs.get(channel) ?? [];
    this.logs.set(channel, log);
    return log;
  }

  publish(channel: string, data: unknown, key?: string): Fields {
    const known = this.log(channel).find((s) => key !== undefined && s.key === key);
    this.#offset += known ? 0 : 1 + Math.floor(this.clock.random() * 3);
    const stored = known ?? { offset: this.#offset, channel, data, key };
    if (!known) this.log(channel).push(stored);
    this.pump();
    return { offset: stored.offset, position: encode(new Map([[channel, stored.offset]])), duplicate: known !== undefined };
  }

  open(send: ModelSession['send'], end: ModelSession['end']): ModelSession {
    const s = new ModelSession(`s${++this.#n}`, send, end);
    this.sessions.set(s.id, s);
    const beat = (): void => {
      if (!this.sessions.has(s.id)) return;
      send({ type: 'ping' }, '');
      this.clock.after(25_000, beat);
    };
    this.clock.after(25_000, beat);
    return s;
  }

  /** Puts a channel at a place, and returns whether it goes on from there. */
  join(s: ModelSession, channel: string, since: Map<string, number>, offset = 0): Fields {
    const head = this.log(channel).at(-1)?.offset ?? 0;
    const known = since.get(channel);
    const at = known === undefined ? head : Math.max(known, offset);
    s.places.set(channel, at);
    return { position: encode(new Map([[channel, at]])), recovered: known !== undefined };
  }

  /** Sends what each session has not been sent, a little later. */
  pump(): void {
    for (const s of this.sessions.values()) this.clock.after(this.clock.between(0, 30), () => this.#push(s));
  }

  #push(s: ModelSession): void {
    if (!this.sessions.has(s.id)) return;
    const behind = [...s.places].map(([channel, at]) => this.log(channel).find((p) => p.offset > at)).filter((p) => p !== undefined);
    const next = behind[Math.floor(this.clock.random() * behind.length)];
    if (!next) return;
    if (s.polls) {
      s.waiting?.(); // otherwise it waits for the next poll
      return;
    }
    this.advance(s, next);
    this.clock.after(this.clock.between(0, 10), () => this.#push(s));
  }

  advance(s: ModelSession, p: Stored): void {
    s.places.set(p.channel, p.offset);
    const { offset, channel, data, key } = p;
    s.send({ type: 'publication', channel, offset, id: String(offset), data, ...(key && { key }), time: 1 }, s.position);
  }

  /** Sends a message to all that follow a channel. */
  tell(channel: string, m: Fields): void {
    for (const s of this.sessions.values()) if (s.places.has(channel)) s.send(m, s.position);
  }

  /** What a poll takes at once. */
  drainTo(s: ModelSession, take: (p: Fields) => void): void {
    for (const [channel, at] of s.places) {
      for (const p of this.log(channel).filter((one) => one.offset > at)) {
        s.places.set(channel, p.offset);
        take({ type: 'publication', channel, offset: p.offset, id: String(p.offset), data: p.data, ...(p.key && { key: p.key }), time: 1 });
      }
    }
  }

  command(s: ModelSession, c: Fields): Fields {
    const id = c.id ?? null;
    const channel = String(c.channel ?? '');
    switch (c.type) {
      case 'connect':
        for (const given of this.gives) {
          const { position } = this.join(s, given, new Map());
          s.send({ type: 'subscribed', channel: given, position, recovered: false }, s.position);
        }
        return { type: 'reply', id, result: { session: s.id, ping: 25_000, maxMessage: 65_536, expires: this.expires, user: this.user } };
      case 'refresh':
        return { type: 'reply', id, result: { user: this.user, expires: this.expires } };
      case 'ping':
      case 'pong':
        return { type: 'reply', id, result: {} };
      case 'subscribe': {
        if (this.forbids.has(channel)) return { type: 'reply', id, error: { code: 4101, name: 'forbidden', message: channel, retry: false } };
        if (s.places.has(channel)) return { type: 'reply', id, error: { code: 4200, name: 'already_subscribed', message: channel, retry: false } };
        const result = this.join(s, channel, decode(String(c.since ?? '')), Number(c.offset ?? 0));
        this.pump();
        return { type: 'reply', id, result };
      }
      case 'unsubscribe':
        s.places.delete(channel);
        return { type: 'reply', id, result: {} };
      case 'publish':
        if (c.data === this.refuses) return { type: 'reply', id, error: { code: 4101, name: 'forbidden', message: 'No.', retry: false } };
        if (this.clock.random() < 0.05) return { type: 'reply', id, error: { code: 4102, name: 'rate_limited', message: 'Slowly.', retry: true } };
        return { type: 'reply', id, result: this.publish(channel, c.data, typeof c.key === 'string' ? c.key : undefined) };
      case 'history':
        return { type: 'reply', id, result: this.history(channel, c) };
      case 'signal':
        this.signals.push(c);
        return { type: 'reply', id, result: {} };
      default:
        throw new Error(`the model has no command ${String(c.type)}`);
    }
  }

  /** The newest, or those before a position. */
  history(channel: string, { before, limit }: Fields): Fields {
    const end = typeof before === 'string' ? (decode(before).get(channel) ?? 0) : Number.POSITIVE_INFINITY;
    const all = this.log(channel).filter((s) => s.offset < end);
    const page = all.slice(-Number(limit));
    const publications = page.map(({ offset, data }) => ({ type: 'publication', channel, offset, id: String(offset), data, time: 1 }));
    return { publications, position: encode(new Map([[channel, page[0]?.offset ?? 0]])), more: all.length > page.length, complete: true };
  }

  close(s: ModelSession): void {
    this.sessions.delete(s.id);
  }

  /** Ends all sessions, with a close code, or as a power cut would (0). */
  endAll(code: number): void {
    for (const s of [...this.sessions.values()]) {
      this.close(s);
      s.end(code);
    }
  }
}

/** What lies between: it keeps the order of each connection, and may cut it at any time. */
export class Network {
  readonly #links = new Set<Link>();
  /** Transports that do not get through: refused at once, or swallowed. */
  readonly blocked = new Map<string, 'refuse' | 'swallow'>();
  delay: readonly [number, number] = [1, 80];
  opened: string[] = [];
  /** What the sockets say that they hold. */
  buffered = 0;

  constructor(
    readonly clock: Clock,
    readonly server: ModelServer,
  ) {}

  link(cut: () => void): Link {
    const link = new Link(this, () => {
      this.#links.delete(link);
      cut();
    });
    this.#links.add(link);
    return link;
  }

  /** Nothing comes through any more on what is open, and nobody says so. */
  deafen(): void {
    for (const link of this.#links) link.deaf = true;
  }

  /** How many connections there are. */
  get links(): number {
    return this.#links.size;
  }

  /** Cuts some connections: what is under way on them is lost. */
  cut(share: number): void {
    for (const link of [...this.#links]) if (this.clock.random() < share) link.cut();
  }

  environment(): Environment {
    return {
      now: () => this.clock.now,
      random: this.clock.random,
      setTimeout: (f, ms) => this.clock.after(ms, f),
      clearTimeout: (t) => this.clock.cancel(t),
      WebSocket: webSocketOf(this),
      fetch: (input, init) => this.#fetch(new URL(String(input)), init ?? {}),
    };
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const door = url.pathname.slice(1);
    const fate = this.blocked.get(door);
    this.opened.push(door);
    return new Promise<Response>((resolve, reject) => {
      const fail = (): void => reject(new TypeError('fetch failed'));
      const abort = (): void => link.cut();
      const link = this.link(() => {
        init.signal?.removeEventListener('abort', abort);
        fail();
      });
      init.signal?.addEventListener('abort', abort);
      if (fate === 'swallow') return;
      link.up(() => {
        if (fate === 'refuse' || !this.server.up) link.cut();
        else if (door === 'sse') this.#sse(url, link, resolve);
        else if (door === 'poll') this.#poll(url, link, resolve);
        else this.#send(url, init, link, resolve);
      });
    });
  }

  #sse(url: URL, link: Link, resolve: (r: Response) => void): void {
    let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
    const body = new ReadableStream<Uint8Array>({
      start: (c) => {
        controller = c;
      },
    });
    const encoder = new TextEncoder();
    const say = (text: string): void => link.down(() => controller?.enqueue(encoder.encode(text)));
    const s = this.server.open(
      (m, position) => say(m.type === 'ping' ? ':\n\n' : `id: ${position}\n${m.type === 'publication' ? '' : `event: ${String(m.type)}\n`}data: ${JSON.stringify(m)}\n\n`),
      (code) => {
        if (code) say(`retry: 300\nevent: error\ndata: {"code":${code},"name":"draining","message":"Bye.","retry":true}\n\n`);
        link.down(() => link.cut());
      },
    );
    link.onCut = () => {
      this.server.close(s);
      controller?.error(new TypeError('cut'));
      controller = null;
    };
    link.down(() => resolve(new Response(body, { status: 200 })));
    const since = decode(url.searchParams.get('since') ?? '');
    for (const channel of url.searchParams.getAll('channel')) this.server.join(s, channel, since);
    s.send({ type: 'session', session: s.id }, s.position);
    this.server.pump();
  }

  #poll(url: URL, link: Link, resolve: (r: Response) => void): void {
    const q = url.searchParams;
    const reply = (status: number, body: Fields): void => link.answer(() => resolve(new Response(JSON.stringify(body), { status })));
    const since = decode(q.get('since') ?? '');
    const id = q.get('session');
    const s = id ? this.server.sessions.get(id) : this.server.open(() => {}, () => {});
    if (!s) {
      reply(410, { error: { code: 4204, name: 'session_gone', message: 'Gone.', retry: true } });
      return;
    }
    s.polls = true;
    if (id) for (const channel of s.places.keys()) s.places.set(channel, since.get(channel) ?? s.places.get(channel) ?? 0);
    for (const channel of id ? [] : q.getAll('channel')) this.server.join(s, channel, since);
    const answer = (): void => {
      s.waiting = null;
      this.clock.cancel(timer);
      const publications: Fields[] = [];
      this.server.drainTo(s, (p) => publications.push(p));
      reply(200, { position: s.position, publications, reset: [], session: s.id, ack: 1 });
    };
    const timer = this.clock.after(id ? 25_000 : 0, answer);
    s.waiting = answer;
    link.onCut = () => {
      if (s.waiting === answer) s.waiting = null;
      this.clock.cancel(timer);
    };
    this.server.pump();
  }

  #send(url: URL, init: RequestInit, link: Link, resolve: (r: Response) => void): void {
    const s = this.server.sessions.get(url.searchParams.get('session') ?? '');
    const gone = { type: 'reply', id: null, error: { code: 4204, name: 'session_gone', message: 'Gone.', retry: true } };
    const body = s ? this.server.command(s, JSON.parse(String(init.body)) as Fields) : gone;
    link.answer(() => resolve(new Response(JSON.stringify(body), { status: 'error' in body ? 400 : 200 })));
  }
}

/** One connection. */
export class Link {
  onCut: (() => void) | null = null;
  deaf = false;
  #cut = false;
  #up = 0;
  #down = 0;
  constructor(
    readonly network: Network,
    readonly whenCut: () => void,
  ) {}

  #deliver(at: number, f: () => void): number {
    const { clock, delay } = this.network;
    const when = Math.max(at, clock.now + clock.between(delay[0], delay[1]));
    clock.after(when - clock.now, () => {
      if (!this.#cut && !this.deaf) f();
    });
    return when;
  }

  up(f: () => void): void {
    this.#up = this.#deliver(this.#up, f);
  }

  down(f: () => void): void {
    this.#down = this.#deliver(this.#down, f);
  }

  /** Delivers the last that is said. */
  answer(f: () => void): void {
    this.down(() => {
      this.onCut = null;
      f();
      this.cut();
    });
  }

  cut(): void {
    if (this.#cut) return;
    this.#cut = true;
    this.onCut?.();
    this.whenCut();
  }
}

function webSocketOf(network: Network): WebSocketMaker {
  return class implements WebSocketLike {
    readyState = 0;
    get bufferedAmount(): number {
      return network.buffered;
    }
    onopen: ((event: never) => void) | null = null;
    onmessage: ((event: never) => void) | null = null;
    onclose: ((event: never) => void) | null = null;
    onerror: ((event: never) => void) | null = null;
    readonly #link: Link;
    #code = 1006;
    #session: ModelSession | null = null;

    constructor() {
      network.opened.push('ws');
      this.#link = network.link(() => {
        this.readyState = 3;
        if (this.#session) network.server.close(this.#session);
        this.#tell(this.onclose, { code: this.#code, reason: this.#code === 1006 ? '' : 'draining: Bye.' });
      });
      const fate = network.blocked.get('ws');
      if (fate === 'swallow') return;
      this.#link.up(() => {
        if (fate === 'refuse' || !network.server.up) this.#link.cut();
        else this.#accept();
      });
    }

    #accept(): void {
      const { server } = network;
      this.#session = server.open(
        (m) => this.#say(m),
        (code) => {
          if (code) this.#say({ type: 'drain', after: 300 });
          this.#link.down(() => {
            this.#code = code || 1006;
            this.#link.cut();
          });
        },
      );
      this.#link.down(() => {
        this.readyState = 1;
        this.#tell(this.onopen, {});
      });
    }

    #say(m: Fields): void {
      this.#link.down(() => this.#tell(this.onmessage, { data: JSON.stringify(m) }));
    }

    #tell(f: ((event: never) => void) | null, event: object): void {
      (f as ((event: object) => void) | null)?.(event);
    }

    send(text: string): void {
      this.#link.up(() => {
        const s = this.#session;
        const command = JSON.parse(text) as Fields;
        if (!s || !network.server.sessions.has(s.id)) return;
        const answer = network.server.command(s, command);
        if (command.id !== undefined) this.#say(answer);
      });
    }

    close(): void {
      this.#link.cut();
    }
  };
}
