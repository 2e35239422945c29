import { type StarlingError, textOfError } from './errors.js';
import { type ConnectionState, type Effect, type End, type Happening, machine, reduce, told, type TransportName } from './machine.js';
import { codes, type Message, numberOf, textOf } from './protocol.js';
import { openSession, type Session, type SessionHost } from './session.js';
import type { Tokens } from './tokens.js';
import { pollWire } from './transports/poll.js';
import { sseWire } from './transports/sse.js';
import { webSocketWire } from './transports/websocket.js';
import { type Connect, ended, type Environment, type Frame } from './wire.js';

const makers: Readonly<Record<TransportName, Connect>> = { websocket: webSocketWire, sse: sseWire, poll: pollWire };

/** How long a transport may take before the next is tried beside it, and before it is given up. */
const SLOW = 3_000;
const OVERDUE = 15_000;
/** How long before its end a token is renewed: this, or a fifth of its life if that is less. */
const EARLY = 30_000;
/** In milliseconds: above 2 ** 31 a timer goes off at once. */
const LONGEST_TIMER = 2e9;

/** The codes that are about a channel, not about the client. */
const ABOUT_CHANNELS: readonly number[] = [codes.bad_channel, codes.not_supported, codes.forbidden, codes.limit_reached];

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

/** A session that is open or being opened, and what is set for it. */
interface Opened {
  session: Session | null;
  readonly timers: readonly unknown[];
  /** What the server said before the session was taken into use. */
  early: Message[];
}

/** @internal Does what the reducer says, with real wires and timers. */
export function runtime(host: RuntimeHost, env: Environment, o: RuntimeOptions): Connection {
  const { tokens } = o;
  const sessions = new Map<number, Opened>();
  const queue: Happening[] = [];
  let now = machine(o.ladder, tokens.renewable, o.memory.get());
  let live: Session | null = null;
  let reducing = false;
  let timers: unknown[] = [];
  let refresh: unknown;
  /** Ask for channels by commands, because one of them was refused. */
  let careful = false;

  const clear = (all: readonly unknown[]): void => {
    for (const t of all) env.clearTimeout(t);
  };

  /** Something happened. What that makes happen is dealt with after it, in order. */
  const happen = (event: Happening): void => {
    queue.push(event);
    if (reducing) return;
    reducing = true;
    try {
      for (let e = queue.shift(); e; e = queue.shift()) {
        const before = now.link;
        const [after, effects] = reduce(now, e, { now: env.now(), random: env.random });
        now = after;
        for (const effect of effects) act(effect);
        if (after.link !== before) host.state(told(after));
      }
    } finally {
      reducing = false;
    }
  };

  const act = (effect: Effect): void => {
    switch (effect.do) {
      case 'authorize':
        tokens.fresh(effect.reason).then(
          () => happen({ type: 'authorized' }),
          (e: unknown) => happen({ type: 'unauthorized', message: textOfError(e) }),
        );
        return;
      case 'open':
        open(effect.id, effect.transport);
        return;
      case 'close':
        close(effect.id);
        return;
      case 'live':
        use(effect.id);
        return;
      case 'timer':
        timers.push(env.setTimeout(() => happen({ type: effect.type }), effect.ms));
        return;
      case 'cancel':
        clear(timers);
        timers = [];
        return;
      case 'check':
        live?.check();
        return;
      case 'remember':
        o.memory.set(effect.transport);
        return;
      case 'forget':
        host.forget();
        return;
    }
  };

  const over = (id: number, end: End): void => happen({ type: 'ended', id, end });

  const open = (id: number, transport: TransportName): void => {
    const opened: Opened = {
      session: null,
      early: [],
      timers: [
        env.setTimeout(() => happen({ type: 'slow', id }), SLOW),
        env.setTimeout(() => over(id, ended('unreachable', `The server did not answer over ${transport} in ${OVERDUE / 1000} s.`)), OVERDUE),
      ],
    };
    sessions.set(id, opened);
    try {
      opened.session = connect(id, transport, opened);
    } catch (e) {
      over(id, ended('unreachable', textOfError(e)));
    }
  };

  const connect = (id: number, transport: TransportName, opened: Opened): Session => {
    const session = openSession({
      ...host,
      env,
      patience: o.patience,
      raw(m) {
        if (session === live) host.raw?.(m);
        else opened.early.push(m);
      },
      drained: () => session === live && host.drained(),
      opened: (name) => happen({ type: 'opened', id, session: name }),
      informed: ({ user, expires }) => {
        if (session === live) informed(session, user, expires);
      },
      ended: (end) => {
        if (end.kind !== 'refused' || !ABOUT_CHANNELS.includes(end.code) || !session.asks || session === live || !sessions.has(id)) {
          over(id, end);
          return;
        }
        // One of the channels is to blame: ask for each by itself.
        careful = true;
        opened.session = connect(id, transport, opened);
      },
      frame: (direction, kind, text) => host.frame({ direction, transport, kind, text }),
    }, o.base, tokens.current, careful, (place, on) => {
      const make = makers[transport];
      return (env.tamper?.(transport, make) ?? make)(place, on, env);
    });
    return session;
  };

  const close = (id: number): void => {
    const opened = sessions.get(id);
    if (!opened) return;
    const { session } = opened;
    sessions.delete(id);
    clear(opened.timers);
    session?.close();
    if (!session || session !== live) return;
    live = null;
    clear([refresh]);
    host.use(null);
  };

  const use = (id: number): void => {
    const opened = sessions.get(id);
    if (!opened) return;
    clear(opened.timers);
    live = opened.session;
    host.use(live);
    for (const m of opened.early) host.raw?.(m);
    opened.early = [];
  };

  /** Has a new token before the one that is there ends. */
  const informed = (session: Session, user: string, expires: number): void => {
    host.user(user);
    tokens.expires(expires);
    clear([refresh]);
    if (expires <= 0 || !tokens.renewable) return;
    const early = Math.min(EARLY, expires / 5) * (0.75 + env.random() / 2);
    refresh = env.setTimeout(() => void renew(session), Math.min(LONGEST_TIMER, expires - early));
  };

  const renew = async (session: Session): Promise<void> => {
    try {
      const token = await tokens.renew('expiring');
      if (session !== live) return; // the next session has it
      const result = await session.request({ type: 'refresh', token });
      informed(session, textOf(result.user), numberOf(result.expires));
    } catch (e) {
      // The session goes on until the token ends, and begins anew then.
      if (session === live) host.trouble(e as StarlingError); // who renews and who is asked rejects with no other
    }
  };

  return {
    happen,
    get state() {
      return told(now);
    },
    get session() {
      return live;
    },
  };
}
