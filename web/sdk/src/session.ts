import { gather } from './cursor.js';
import { ownError, StarlingError } from './errors.js';
import type { End } from './machine.js';
import { type Command, type Fields, type Message, type Notice, numberOf, type Refusal, textOf } from './protocol.js';
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
  subscriptions(): readonly Subscription[];
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
export interface Session {
  /** Whether the channels were asked for in the query. */
  readonly asks: boolean;
  /** The most bytes that a message may have. */
  maxMessage: number;
  /** How long the last answer took, in milliseconds. */
  latency: number;
  /** How many bytes wait to go out. */
  backlog(): number;
  /** Subscribes or unsubscribes as is wanted. */
  sync(s: Subscription): void;
  /** Sends a command and returns its result. It rejects with what the server says, or with `lost`. */
  request(command: Command): Promise<Fields>;
  /** Sends a command whose success nobody waits for. */
  say(command: Command): void;
  /** Finds out whether it still lives, and ends it if not. */
  check(): void;
  close(): void;
}

/**
 * @internal Opens a session.
 *
 * @param connect makes the wire
 * @param careful ask for no channels in the query, so that the refusal of one is not that of all
 */
export function openSession(host: SessionHost, base: string, token: string, careful: boolean, connect: (place: Place, on: Listener) => Wire): Session {
  const { env, patience } = host;
  const waiting = new Map<number, Waiting>();
  let id = 0;
  let over = false;
  let live = false;
  let name = '';
  let heard = env.now();
  let quiet = QUIET;
  let watch: unknown;
  let recheck = false;

  /** Subscriptions and unsubscriptions as they are wanted. */
  const syncAll = (): void => {
    if (!over) for (const s of host.subscriptions()) self.sync(s);
  };

  const goLive = (): void => {
    live = true;
    host.opened(name);
    if (over) return;
    for (const channel of wire.asks ? asked : []) {
      const s = host.subscriptions().find((t) => t.channel === channel);
      if (s?.wanted) s.opened(self);
      else forsake(channel);
    }
    syncAll();
    tick();
  };

  const connected = (result: Fields): void => {
    if (over) return;
    const ping = numberOf(result.ping);
    quiet = ping > 0 ? ping * 1.2 + 10_000 : Infinity;
    self.maxMessage = numberOf(result.maxMessage) || self.maxMessage;
    name = textOf(result.session) || name;
    if (!live) goLive();
    settle();
    host.informed({ session: name, user: textOf(result.user), expires: numberOf(result.expires) });
  };

  const settle = (): void => {
    for (const s of host.subscriptions()) s.settle();
  };

  const forsake = (channel: string): void => send({ type: 'unsubscribe', channel }, nothing, nothing); // it is not heard any more

  const join = (s: Subscription): void => {
    const joining = (): boolean => s.owner === self && s.state === 'joining';
    send(
      { type: 'subscribe', ...s.join(self), ...(wire.shared && s.rank()) },
      (result) => {
        if (joining()) s.joined(textOf(result.position), result.recovered === true, { last: numberOf(result.offset), line: textOf(result.line) });
      },
      (e) => {
        if (e.name === 'alone' && s.owner === self) host.alone?.();
        else if (joining() && e.code && s.refused(e)) env.setTimeout(() => self.sync(s), e.retry ? REJOIN : 0);
      },
    );
  };

  /** Sends a command, and calls back at once when its answer is there: what follows it builds on that. */
  const send = (command: Command, resolve: Waiting['resolve'], reject: Waiting['reject'], ms = patience): void => {
    if (over) {
      reject(ownError('lost', 'The connection was lost.'));
      return;
    }
    // Where commands go one after the other, each has a time of its own.
    const timed = !wire.asks || ms < patience;
    const timer = timed && env.setTimeout(() => end(ended('silent', 'The server did not answer in time.')), ms);
    waiting.set(++id, { resolve, reject, timer, asked: env.now() });
    wire.send({ ...command, id });
  };

  const silent = (): boolean => {
    // The time of the day, not of a timer: those stand still while a machine sleeps.
    if (env.now() - heard <= quiet) return false;
    end(ended('silent', 'The server was silent for too long.'));
    return true;
  };

  const tick = (): void => {
    if (over) return;
    watch = env.setTimeout(() => {
      if (!silent()) tick();
    }, 5_000);
  };

  const end = (why: End): void => {
    if (over) return;
    self.close();
    host.ended(why);
  };

  /** How many channels a position of the session can cover. */
  const covers = (): number => {
    return Math.max(1, host.subscriptions().filter((s) => s.state !== 'off' && !s.isWildcard).length);
  };

  const message = (m: Message): void => {
    if (over) return;
    if (m.type === 'reply') {
      reply(m);
      return;
    }
    if (m.type === 'error') {
      host.complained(m.channel, m.error);
      return;
    }
    host.raw?.(m);
    for (const s of host.find(m.channel)) {
      if (m.type === 'publication') s.take(m);
      else if (m.type === 'signal') s.signal(m);
      else if (s.channel === m.channel) notice(s, m);
    }
  };

  const notice = (s: Subscription, { type, position, recovered, error, reason, line }: Notice): void => {
    if (type === 'subscribed') s.joined(position, recovered);
    else if (type === 'reset') s.reset(position, reason, wire.asks ? covers() : 1, line);
    else if (type === 'position') s.moved(position);
    else if (type === 'skipped') s.skipped(position);
    else if (type === 'unsubscribed') {
      if (error?.retry) {
        s.detached();
        env.setTimeout(() => self.sync(s), REJOIN);
      } else s.ended(error && new StarlingError(error));
    }
  };

  const reply = (m: Message & { type: 'reply' }): void => {
    const w = waiting.get(Number(m.id));
    if (!w) return;
    waiting.delete(Number(m.id));
    env.clearTimeout(w.timer);
    self.latency = env.now() - w.asked;
    if ('error' in m) w.reject(new StarlingError(m.error));
    else w.resolve(m.result);
  };

  const plain = host.subscriptions().filter((s) => s.wanted && s.isPlain);
  // Where the channels stand also goes with the connect, for those to which the server subscribes the client by itself.
  const { since, channels } = careful ? { since: '', channels: [] } : gather(plain.map((s) => [s.channel, s.cursor]));
  const asked: ReadonlySet<string> = new Set(channels);

  const self: Session = {
    get asks() {
      return wire.asks && asked.size > 0;
    },
    maxMessage: Infinity,
    latency: 0,
    backlog: () => wire.backlog(),
    sync(s) {
      if (over) return;
      if (s.wanted && s.state === 'off') {
        if (live || !wire.asks) join(s); // otherwise the query asks for it
      } else if (!s.wanted && s.owner === self) {
        s.ended(null);
        forsake(s.channel);
      }
    },
    request: (command) => new Promise((resolve, reject) => send(command, resolve, reject)),
    say(command) {
      if (!over) wire.send(command);
    },
    check() {
      if (silent() || over) return;
      // What is under way may have left before the network did: it proves nothing.
      recheck = wire.backlog() === Infinity;
      if (!recheck) send({ type: 'ping' }, nothing, nothing, CHECK + 2 * Math.min(CHECK, self.latency)); // silence ends it
    },
    close() {
      if (over) return;
      over = true;
      live = false;
      wire.close();
      env.clearTimeout(watch);
      for (const s of host.subscriptions()) if (s.owner === self) s.detached();
      for (const w of waiting.values()) {
        env.clearTimeout(w.timer);
        w.reject(ownError('lost', 'The connection was lost.'));
      }
      waiting.clear();
    },
  };

  const wire = connect({ base, token, channels, since }, {
    open(session) {
      if (over) return;
      name = session;
      if (wire.asks) goLive();
      if (over) return;
      send({ type: 'connect', token: token || undefined, ...(!wire.asks && { pings: true, since: since || undefined }) }, connected, (e) => end(endOf(e)));
      // At once: nothing has to wait for the answer.
      syncAll();
    },
    message,
    position(position) {
      if (over) return;
      const n = covers();
      for (const s of host.subscriptions()) if (s.shares && s.owner === self) s.moved(position, n);
    },
    settled() {
      if (!over) settle();
    },
    heard() {
      heard = env.now();
    },
    drained() {
      if (recheck) self.check();
      host.drained();
    },
    end,
    frame: host.frame,
  });
  return self;
}
