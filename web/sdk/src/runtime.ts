import { ownError, StarlingError } from './errors.js';
import { type ConnectionState, type Effect, type End, type Happening, type Machine, machine, reduce, told, type TokenReason, type TransportName } from './machine.js';
import { codes, type Fields } from './protocol.js';
import { Session, type SessionHost, type SessionInfo } from './session.js';
import type { Tokens } from './tokens.js';
import { PollWire } from './transports/poll.js';
import { SSEWire } from './transports/sse.js';
import { WebSocketWire } from './transports/websocket.js';
import { type Connect, ended, type Environment, type Frame } from './wire.js';

const makers: Readonly<Record<TransportName, Connect>> = {
  websocket: (place, on, env) => new WebSocketWire(place, on, env),
  sse: (place, on, env) => new SSEWire(place, on, env),
  poll: (place, on, env) => new PollWire(place, on, env),
};

/** How long a transport may take before the next is tried beside it, and before it is given up. */
const SLOW = 3_000;
const OVERDUE = 15_000;
/** How long before its end a token is renewed: this, or a fifth of its life if that is less. */
const EARLY = 30_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/** The codes that are about a channel, not about the client. */
const ABOUT_CHANNELS: ReadonlySet<number> = new Set([codes.bad_channel, codes.not_supported, codes.forbidden, codes.limit_reached]);

/** @internal Where a transport that has worked is remembered. */
export interface Memory {
  get(): TransportName | null;
  set(transport: TransportName | null): void;
}

/** @internal What a client has: a connection of its own, or a share in one. */
export interface Connection {
  readonly state: ConnectionState;
  readonly session: Session | null;
  happen(event: Happening): void;
  /** Tells other tabs that the user has logged out. */
  logout?(): void;
}

/** @internal What a runtime needs of its client. */
export interface RuntimeHost extends Pick<SessionHost, 'subscriptions' | 'find' | 'complained' | 'drained' | 'raw'> {
  /** The session to send over, or none. */
  use(session: Session | null): void;
  /** The positions cannot be read. */
  forget(): void;
  state(state: ConnectionState): void;
  /** Whom the server takes the client for. It is told after there is a session. */
  user(user: string): void;
  /** The user has logged out in another tab. */
  loggedOut?(): void;
  trouble(e: StarlingError): void;
  frame(frame: Frame): void;
}

/** @internal */
export interface RuntimeOptions {
  readonly base: string;
  readonly ladder: readonly TransportName[];
  readonly patience: number;
  readonly tokens: Tokens;
  readonly memory: Memory;
}

/** @internal Does what the reducer says, with real wires and timers. */
export class Runtime implements Connection {
  readonly #host: RuntimeHost;
  readonly #env: Environment;
  readonly #o: RuntimeOptions;
  readonly #sessions = new Map<number, { session: Session; readonly timers: unknown[] }>();
  readonly #queue: Happening[] = [];
  #machine: Machine;
  #live: Session | null = null;
  #reducing = false;
  #timers: unknown[] = [];
  #refresh: unknown;
  /** Ask for channels by commands, because one of them was refused. */
  #careful = false;

  constructor(host: RuntimeHost, env: Environment, o: RuntimeOptions) {
    this.#host = host;
    this.#env = env;
    this.#o = o;
    this.#machine = machine(o.ladder, o.tokens.renewable, o.memory.get());
  }

  get state(): ConnectionState {
    return told(this.#machine);
  }

  get session(): Session | null {
    return this.#live;
  }

  /** Something happened. What that makes happen is dealt with after it, in order. */
  happen(event: Happening): void {
    this.#queue.push(event);
    if (this.#reducing) return;
    this.#reducing = true;
    try {
      for (let e = this.#queue.shift(); e; e = this.#queue.shift()) this.#reduce(e);
    } finally {
      this.#reducing = false;
    }
  }

  #reduce(event: Happening): void {
    const before = this.#machine;
    const [after, effects] = reduce(before, event, { now: this.#env.now(), random: this.#env.random });
    this.#machine = after;
    for (const effect of effects) this.#do(effect);
    if (after.link !== before.link) this.#host.state(told(after));
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case 'authorize':
        void this.#authorize(effect.reason);
        return;
      case 'open':
        this.#open(effect.id, effect.transport);
        return;
      case 'close':
        this.#close(effect.id);
        return;
      case 'live':
        this.#begin(effect.id);
        return;
      case 'timer':
        this.#timers.push(this.#env.setTimeout(() => this.happen({ type: effect.type }), effect.ms));
        return;
      case 'cancel':
        for (const t of this.#timers) this.#env.clearTimeout(t);
        this.#timers = [];
        return;
      case 'check':
        this.#live?.check();
        return;
      case 'remember':
        this.#o.memory.set(effect.transport);
        return;
      case 'forget':
        this.#host.forget();
        return;
    }
  }

  async #authorize(reason: TokenReason): Promise<void> {
    try {
      await this.#o.tokens.fresh(reason);
      this.happen({ type: 'authorized' });
    } catch (e) {
      this.happen({ type: 'unauthorized', message: e instanceof Error ? e.message : String(e) });
    }
  }

  #open(id: number, transport: TransportName): void {
    const timers = [
      this.#env.setTimeout(() => this.happen({ type: 'slow', id }), SLOW),
      this.#env.setTimeout(() => this.#ended(id, ended('unreachable', `The server did not answer over ${transport} in ${OVERDUE / 1000} s.`)), OVERDUE),
    ];
    try {
      this.#sessions.set(id, { session: this.#connect(id, transport), timers });
    } catch (e) {
      for (const t of timers) this.#env.clearTimeout(t);
      const end = ended('unreachable', e instanceof Error ? e.message : String(e));
      this.#queue.push({ type: 'ended', id, end });
    }
  }

  #connect(id: number, transport: TransportName): Session {
    let session: Session | null = null;
    const host: SessionHost = {
      env: this.#env,
      patience: this.#o.patience,
      subscriptions: () => this.#host.subscriptions(),
      find: (channel) => this.#host.find(channel),
      raw: (m) => this.#host.raw?.(m),
      complained: (channel, refusal) => this.#host.complained(channel, refusal),
      drained: () => session === this.#live && this.#host.drained(),
      opened: (name) => this.happen({ type: 'opened', id, session: name }),
      informed: (info) => session && this.#informed(session, info),
      ended: (end) => {
        const careful = end.kind === 'refused' && ABOUT_CHANNELS.has(end.code) && session?.asks && session !== this.#live;
        const entry = this.#sessions.get(id);
        if (!careful || !entry) {
          this.#ended(id, end);
          return;
        }
        // One of the channels is to blame: ask for each by itself.
        this.#careful = true;
        entry.session = this.#connect(id, transport);
      },
      frame: (direction, kind, text) => this.#host.frame({ direction, transport, kind, text }),
    };
    session = new Session(host, this.#o.base, this.#o.tokens.current, this.#careful, (place, on) => {
      const make = makers[transport];
      return (this.#env.tamper?.(transport, make) ?? make)(place, on, this.#env);
    });
    return session;
  }

  #ended(id: number, end: End): void {
    this.happen({ type: 'ended', id, end });
  }

  #close(id: number): void {
    const entry = this.#sessions.get(id);
    if (!entry) return;
    this.#sessions.delete(id);
    for (const t of entry.timers) this.#env.clearTimeout(t);
    const live = entry.session === this.#live;
    entry.session.close();
    if (!live) return;
    this.#live = null;
    this.#env.clearTimeout(this.#refresh);
    this.#host.use(null);
  }

  #begin(id: number): void {
    const entry = this.#sessions.get(id);
    if (!entry) return;
    for (const t of entry.timers) this.#env.clearTimeout(t);
    this.#live = entry.session;
    this.#host.use(entry.session);
  }

  #informed(session: Session, info: SessionInfo): void {
    if (session !== this.#live) return;
    this.#host.user(info.user);
    this.#expires(session, info.expires);
  }

  /** Has a new token before the one that is there ends. */
  #expires(session: Session, ms: number): void {
    const { tokens } = this.#o;
    tokens.expires(ms);
    this.#env.clearTimeout(this.#refresh);
    if (ms <= 0 || !tokens.renewable) return;
    const early = Math.min(EARLY, ms / 5) * (0.75 + this.#env.random() / 2);
    this.#refresh = this.#env.setTimeout(() => void this.#renew(session), Math.min(LONGEST_TIMER, Math.max(0, ms - early)));
  }

  async #renew(session: Session): Promise<void> {
    try {
      const token = await this.#o.tokens.renew('expiring');
      if (session !== this.#live) return; // the next session has it
      const result: Fields = await session.request({ type: 'refresh', token });
      this.#host.user(typeof result.user === 'string' ? result.user : '');
      this.#expires(session, typeof result.expires === 'number' ? result.expires : 0);
    } catch (e) {
      // The session goes on until the token ends, and begins anew then.
      if (session === this.#live) this.#host.trouble(e instanceof StarlingError ? e : ownError('token', String(e), e));
    }
  }
}
