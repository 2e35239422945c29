import { alone } from './alone.js';
import { gather } from './cursor.js';
import { ownError, StarlingError } from './errors.js';
import type { End } from './machine.js';
import { type Command, type Fields, type Message, numberOf, type Refusal, textOf } from './protocol.js';
import type { Subscription } from './subscription.js';
import { endOf, ended, type Environment, type Listener, type Place, type Wire } from './wire.js';

/** @internal What the server says of a session. */
export interface SessionInfo {
  readonly session: string;
  readonly user: string;
  /** Milliseconds until the identity expires; 0: it does not. */
  readonly expires: number;
}

/** @internal Whom a session tells. */
export interface SessionHost {
  readonly env: Environment;
  /** How long an answer may take, in milliseconds. */
  readonly patience: number;
  subscriptions(): Iterable<Subscription>;
  find(channel: string): Iterable<Subscription>;
  opened(session: string): void;
  informed(info: SessionInfo): void;
  ended(end: End): void;
  drained(): void;
  /** The server refuses something that nobody waits for. */
  complained(channel: string, refusal: Refusal): void;
  /** Told of all messages but replies and errors, as they come. */
  raw?(m: Message): void;
  /** The tabs cannot share this one's channels. */
  alone?(): void;
  frame: Listener['frame'];
}

interface Waiting {
  readonly resolve: (result: Fields) => void;
  readonly reject: (e: StarlingError) => void;
  readonly timer: unknown;
  readonly asked: number;
}

/** How long the server may be silent before it has told its heartbeat, in milliseconds. */
const QUIET = 60_000;
/** How long a check of the connection may take beyond twice the last round trip, in milliseconds. */
const CHECK = 800;
const REJOIN = 1_000;

const nothing = (): void => {};

/** @internal A session: commands and their answers, subscriptions, signs of life. */
export class Session {
  readonly #host: SessionHost;
  readonly #wire: Wire;
  readonly #token: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #asked: ReadonlySet<string>;
  /** Where the channels stand, for those to which the server subscribes the client by itself. */
  readonly #since: string;
  #id = 0;
  #over = false;
  #live = false;
  #sessionId = '';
  #heard: number;
  #quiet = QUIET;
  #watch: unknown;
  #recheck = false;
  /** The most bytes that a message may have. */
  maxMessage = Number.POSITIVE_INFINITY;
  /** How long the last answer took, in milliseconds. */
  latency = 0;

  /**
   * @param connect makes the wire
   * @param careful ask for no channels in the query, so that the refusal of one is not that of all
   */
  constructor(host: SessionHost, base: string, token: string, careful: boolean, connect: (place: Place, on: Listener) => Wire) {
    this.#host = host;
    this.#token = token;
    this.#heard = host.env.now();
    const plain = new Map([...host.subscriptions()].filter((s) => s.wanted && s.isPlain).map((s) => [s.channel, s.cursor]));
    const { since, channels } = careful ? { since: '', channels: [] } : gather(plain);
    this.#asked = new Set(channels);
    this.#since = since;
    this.#wire = connect({ base, token, channels, since }, {
      open: (session) => this.#open(session),
      message: (m) => this.#message(m),
      position: (position) => this.#position(position),
      settled: () => this.#settle(),
      heard: () => {
        this.#heard = host.env.now();
      },
      drained: () => {
        if (this.#recheck) this.check();
        host.drained();
      },
      end: (end) => this.#end(end),
      frame: host.frame,
    });
  }

  /** Whether the channels were asked for in the query. */
  get asks(): boolean {
    return this.#wire.asks && this.#asked.size > 0;
  }

  backlog(): number {
    return this.#wire.backlog();
  }

  #open(session: string): void {
    this.#sessionId = session;
    if (this.#wire.asks) this.#goLive(session);
    if (this.#over) return;
    this.#ask(
      { type: 'connect', ...(this.#token && { token: this.#token }), ...(!this.#wire.asks && { pings: true, ...(this.#since && { since: this.#since }) }) },
      (result) => this.#connected(result),
      (e) => this.#end(endOf({ code: e.code, name: e.name, message: e.message, retry: e.retry })),
    );
    // At once: nothing has to wait for the answer.
    this.#syncAll();
  }

  #syncAll(): void {
    if (!this.#over) for (const s of this.#host.subscriptions()) this.sync(s);
  }

  #goLive(session: string): void {
    this.#live = true;
    this.#host.opened(session);
    if (this.#over) return;
    const known = new Map([...this.#host.subscriptions()].map((s) => [s.channel, s]));
    for (const channel of this.#wire.asks ? this.#asked : []) {
      const s = known.get(channel);
      if (s?.wanted) s.opened(this);
      else this.#forsake(channel);
    }
    this.#syncAll();
    this.#tick();
  }

  #connected(result: Fields): void {
    if (this.#over) return;
    const ping = numberOf(result.ping);
    this.#quiet = ping > 0 ? ping * 1.2 + 10_000 : Number.POSITIVE_INFINITY;
    this.maxMessage = numberOf(result.maxMessage) || this.maxMessage;
    const session = textOf(result.session) || this.#sessionId;
    if (!this.#live) this.#goLive(session);
    this.#settle();
    this.#host.informed({ session, user: textOf(result.user), expires: numberOf(result.expires) });
  }

  #settle(): void {
    for (const s of this.#host.subscriptions()) s.settle();
  }

  /** Subscribes or unsubscribes as is wanted. */
  sync(s: Subscription): void {
    if (this.#over) return;
    if (s.wanted && s.state === 'off') {
      if (this.#live || !this.#wire.asks) this.#join(s); // otherwise the query asks for it
    } else if (!s.wanted && s.owner === this) {
      s.ended(null);
      this.#forsake(s.channel);
    }
  }

  #forsake(channel: string): void {
    this.#ask({ type: 'unsubscribe', channel }, nothing, nothing); // it is not heard any more
  }

  #join(s: Subscription): void {
    this.#ask(
      { type: 'subscribe', ...s.join(this), ...(this.#wire.shared && s.rank()) },
      (result) => {
        if (s.owner !== this || s.state !== 'joining') return;
        s.joined(textOf(result.position), result.recovered === true, { last: numberOf(result.offset), line: textOf(result.line) });
      },
      (e) => {
        if (e.name === alone.name && s.owner === this) this.#host.alone?.();
        if (s.owner !== this || s.state !== 'joining' || !e.code) return;
        const again = s.refused({ code: e.code, name: e.name, message: e.message, retry: e.retry });
        if (again) this.#host.env.setTimeout(() => this.sync(s), e.retry ? REJOIN : 0);
      },
    );
  }

  /** Sends a command and returns its result. It rejects with what the server says, or with `lost`. */
  request(command: Command, patience = this.#host.patience): Promise<Fields> {
    return new Promise((resolve, reject) => this.#ask(command, resolve, reject, patience));
  }

  /** Sends a command, and calls back at once when its answer is there: what follows it builds on that. */
  #ask(command: Command, resolve: Waiting['resolve'], reject: Waiting['reject'], patience = this.#host.patience): void {
    if (this.#over) {
      reject(ownError('lost', 'The connection was lost.'));
      return;
    }
    const id = ++this.#id;
    const asked = this.#host.env.now();
    // Where commands go one after the other, each has a time of its own.
    const timed = !this.#wire.asks || patience < this.#host.patience;
    const timer = timed ? this.#host.env.setTimeout(() => this.#end(ended('silent', 'An answer did not come in time.')), patience) : undefined;
    this.#waiting.set(id, { resolve, reject, timer, asked });
    this.#wire.send({ ...command, id });
  }

  /** Sends a command whose success nobody waits for. */
  say(command: Command): void {
    if (!this.#over) this.#wire.send(command);
  }

  /** Finds out whether it still lives, and ends it if not. */
  check(): void {
    if (this.#silent() || this.#over) return;
    // What is under way may have left before the network did: it proves nothing.
    this.#recheck = this.#wire.backlog() === Number.POSITIVE_INFINITY;
    if (this.#recheck) return;
    this.#ask({ type: 'ping' }, nothing, nothing, CHECK + 2 * Math.min(CHECK, this.latency)); // silence ends it
  }

  #silent(): boolean {
    // The time of the day, not of a timer: those stand still while a machine sleeps.
    if (this.#host.env.now() - this.#heard <= this.#quiet) return false;
    this.#end(ended('silent', 'Nothing was heard of the server for too long.'));
    return true;
  }

  #tick(): void {
    if (this.#over) return;
    this.#watch = this.#host.env.setTimeout(() => {
      if (!this.#silent()) this.#tick();
    }, 5_000);
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wire.close();
    this.#leave();
  }

  #end(end: End): void {
    if (this.#over) return;
    this.#over = true;
    this.#wire.close();
    this.#leave();
    this.#host.ended(end);
  }

  #leave(): void {
    this.#host.env.clearTimeout(this.#watch);
    for (const s of this.#host.subscriptions()) if (s.owner === this) s.detached();
    this.#live = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const w of waiting) {
      this.#host.env.clearTimeout(w.timer);
      w.reject(ownError('lost', 'The connection was lost before an answer came.'));
    }
  }

  #position(position: string): void {
    if (this.#over) return;
    const sharing = [...this.#host.subscriptions()].filter((s) => s.shares && s.owner === this && s.state === 'live');
    for (const s of sharing) s.moved(position, this.#covers());
  }

  /** How many channels a position of the session can cover. */
  #covers(): number {
    let n = 0;
    for (const s of this.#host.subscriptions()) if (s.state !== 'off' && !s.isWildcard) n++;
    return Math.max(1, n);
  }

  #message(m: Message): void {
    if (this.#over) return;
    if (m.type !== 'reply' && m.type !== 'error') this.#host.raw?.(m);
    switch (m.type) {
      case 'reply':
        this.#reply(m);
        return;
      case 'error':
        this.#host.complained(m.channel, m.error);
        return;
      case 'publication':
        for (const s of this.#host.find(m.channel)) s.take(m);
        return;
      case 'signal':
        for (const s of this.#host.find(m.channel)) s.signal(m);
        return;
      case 'subscribed':
      case 'unsubscribed':
      case 'reset':
      case 'position':
      case 'skipped':
        for (const s of this.#host.find(m.channel)) if (s.channel === m.channel) this.#notice(s, m);
        return;
      case 'session':
      case 'drain':
      case 'ping':
      case 'pong':
        return; // the wire has understood them
    }
  }

  #notice(s: Subscription, m: Message & { type: 'subscribed' | 'unsubscribed' | 'reset' | 'position' | 'skipped' }): void {
    switch (m.type) {
      case 'subscribed':
        s.joined(m.position, m.recovered);
        return;
      case 'unsubscribed':
        if (!m.error?.retry) {
          s.ended(m.error && new StarlingError(m.error));
          return;
        }
        s.detached();
        this.#host.env.setTimeout(() => this.sync(s), REJOIN);
        return;
      case 'reset':
        s.reset(m.position, m.reason, this.#wire.asks ? this.#covers() : 1, m.line);
        return;
      case 'position':
        s.moved(m.position);
        return;
      case 'skipped':
        s.skipped(m.position);
        return;
    }
  }

  #reply(m: Message & { type: 'reply' }): void {
    const waiting = typeof m.id === 'number' ? this.#waiting.get(m.id) : undefined;
    if (!waiting || typeof m.id !== 'number') return;
    this.#waiting.delete(m.id);
    this.#host.env.clearTimeout(waiting.timer);
    this.latency = this.#host.env.now() - waiting.asked;
    if ('error' in m) waiting.reject(new StarlingError(m.error));
    else waiting.resolve(m.result);
  }
}
