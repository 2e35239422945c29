import { type Abortable, orAborted } from './abort.js';
import { type Channel, type ChannelHost, channelOf } from './channel.js';
import type { Devtools } from './devtools/index.js';
import type { Dropped } from './drop.js';
import { emitter } from './emitter.js';
import { explainAt, ownError, refuse, StarlingError, textOfError } from './errors.js';
import type { ConnectionState, TransportName } from './machine.js';
import type { Keeping } from './keeping.js';
import { type ChannelPattern, fill, type PatternValues } from './pattern.js';
import type { OutboxEvent } from './outbox.js';
import { channelTrouble, matches } from './protocol.js';
import { publisher, randomKey } from './publisher.js';
import { type Memory, type RuntimeHost, runtime } from './runtime.js';
import { signaller } from './signaller.js';
import { type ChannelOptions, type Subscription, subscribing } from './subscription.js';
import { tabLink } from './tabs/link.js';
import { type GetToken, tokensOf } from './tokens.js';
import { listen } from './wake.js';
import type { Environment, Frame, WebSocketMaker } from './wire.js';

/** How a client is made. */
export interface ClientOptions {
  /** The address of the server, with the path under which it is mounted; that of the page unless told. */
  readonly url?: string;
  /** Who this client is. With {@link ClientOptions.getToken} none is needed. */
  readonly token?: string;
  /** Called when a token is needed: at first, before one expires, and when the server does not take one any more. */
  readonly getToken?: GetToken;
  /** Which transports to use, the best first; unless told, `websocket`, `sse`, `poll`. */
  readonly transports?: readonly TransportName[];
  /** How long an answer may take, in milliseconds; 10,000 unless told. */
  readonly timeout?: number;
  /** The WebSocket to use where there is no global one, such as that of the package `ws`. */
  readonly WebSocket?: WebSocketMaker;
  /** The fetch to use instead of the global one. */
  readonly fetch?: typeof fetch;
  /** How many publications may wait to be stored; 1,000 unless told. More are refused with `overflow`. */
  readonly maxQueued?: number;
  /**
   * Keeps publications that cannot be sent in this browser (IndexedDB), for at most 12 hours, so that they go out also if
   * the page is closed before; false unless told. What becomes of them is told by the event `outbox`.
   */
  readonly outbox?: boolean;
  /**
   * Whether the tabs of one browser share one connection, as far as their server, user and transports are the same; true
   * unless told. A text keeps tabs apart whose texts differ, such as the user's name where a cookie says who that is.
   */
  readonly tabs?: boolean | string;
  /** Told of what is not sent because there is no room or no connection. A signal that a newer one of its key replaces is not dropped. */
  readonly onDrop?: (drop: Dropped) => void;
  /** Told of everything that goes over the wire. */
  readonly onFrame?: (frame: Frame) => void;
}

/** What happens to a client, by the name under which it is listened to. */
export type ClientEvents = {
  /** The connection is something else now. */
  state: ConnectionState;
  /** The user whom the server takes this client for has changed; empty if it is anonymous. */
  user: string;
  /** What became of a publication that was kept in the outbox, in this visit or another. */
  outbox: OutboxEvent;
  /** Something went wrong that belongs to no channel and to nobody who waits. */
  error: StarlingError;
};

const LADDER: readonly TransportName[] = ['websocket', 'sse', 'poll'];

/**
 * A client of a Starling server. Make one with {@link createClient}; one is enough for a page.
 *
 * It connects when it is first needed, and comes back by itself whenever the connection is lost.
 */
export interface Client {
  /** What the connection is. */
  readonly state: ConnectionState;
  /** Whom the server takes this client for; empty if it is anonymous, or not known yet. */
  readonly user: string;
  /** Listens to what happens to the client. Returns what ends that. */
  on<K extends keyof ClientEvents>(event: K, listener: (event: ClientEvents[K]) => void): () => void;
  /** Connects, at once: also after {@link Client.disconnect}, after a failure, and instead of waiting. */
  connect(): void;
  /**
   * Disconnects, and stays so until {@link Client.connect}. What waits to be published is rejected; the channels
   * stay as they are, and go on from where they stood.
   */
  disconnect(): void;
  /** Disconnects, in all tabs that share the connection, and throws away what the outbox keeps for this user in this browser. */
  logout(): Promise<void>;
  /** Uses these transports from now on, the best first, and connects anew if there is a connection. */
  use(transports: readonly TransportName[]): void;
  /** A channel whose name has values in it, which may not contain ":": `client.channel('chat:{room}', { room })`. */
  channel<T = unknown>(pattern: ChannelPattern, values: PatternValues, options?: ChannelOptions): Channel<T>;
  /**
   * A channel, or with a star at the end of its name all whose names begin so. The same name gives the same object;
   * options that are given later replace the earlier ones from the next subscription on.
   *
   * @typeParam T what is published there. It is not checked.
   */
  channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
  /** Asks the application's backend, through the hooks of the server. Rejects with `lost` if nobody knows whether it arrived. */
  call(method: string, data?: unknown, options?: Abortable): Promise<unknown>;
  /** Opens a panel that shows what this client does, and can do harm to its connection. It is loaded when it is first asked for. */
  devtools(): Promise<Devtools>;
}

/** @internal Makes a client that knows nothing of the world but what it is given. */
export function clientIn(options: ClientOptions, env: Environment, memory: Memory, base: string): Client {
  explainAt(base);
  const events = emitter<ClientEvents & { frame: Frame }>();
  const channels = new Map<string, { readonly channel: Channel; readonly subscription: Subscription }>();
  const { timeout = 10_000, maxQueued = 1000, onFrame, onDrop } = options;
  const dropped = (drop: Dropped): void => onDrop?.(drop);
  const publications = publisher(env, maxQueued, dropped);
  const signals = signaller(env, dropped);
  const tokens = tokensOf(options.getToken ?? options.token ?? '', env);
  let user = '';
  let deaf: (() => void) | null = null;
  /** Who waits for a session. */
  let waiting: (() => void)[] = [];

  const subscriptions = (): readonly Subscription[] => [...channels.values()].map((c) => c.subscription);

  const wake = (): void => {
    const all = waiting;
    waiting = [];
    for (const go of all) go();
  };

  /** Why nothing can be done until {@link Client.connect}, or null. */
  const closed = (): StarlingError | null => {
    const { state } = self;
    if (state.name === 'failed') return new StarlingError({ code: state.code, name: '', message: state.reason.message, retry: false });
    return state.name === 'disconnected' && state.reason === 'asked' ? ownError('closed', 'The client was told to disconnect.') : null;
  };

  /** Rejects what waits, if nothing can be done any more. */
  const giveUp = (): void => {
    const refusal = closed();
    if (!refusal) return;
    publications.abandon(refusal);
    signals.abandon();
    wake();
  };

  /** Connects when it is first needed; not after it was told to disconnect, or has failed. Returns why nothing can be done. */
  const need = (): StarlingError | null => {
    if (self.state.name === 'idle') self.connect();
    return closed();
  };

  const trouble = (e: StarlingError): void => events.emit('error', e);

  const host: RuntimeHost = {
    subscriptions,
    find(name) {
      const exact = channels.get(name)?.subscription;
      return exact && exact.state !== 'off' ? [exact] : subscriptions().filter((s) => s.isWildcard && matches(s.channel, name));
    },
    use(session) {
      // With an outbox nothing goes out before what was kept.
      if (!session || !keeping) publications.use(session);
      void keeping?.then((k) => (k ?? publications).use(session));
      signals.use(session);
      if (session) wake();
    },
    drained: signals.flush,
    forget() {
      for (const s of subscriptions()) s.forget();
    },
    state(state) {
      if (state.name === 'failed') giveUp();
      events.emit('state', state);
    },
    user(name) {
      void keeping?.then((k) => k?.identified(name));
      if (name === user) return;
      user = name;
      events.emit('user', name);
    },
    loggedOut: () => self.disconnect(),
    trouble,
    complained(channel, refusal) {
      const error = new StarlingError(refusal);
      const own = channels.get(channel)?.subscription.events;
      if (own?.has('error')) own.emit('error', error);
      else trouble(error);
    },
    frame(frame) {
      onFrame?.(frame);
      events.emit('frame', frame);
    },
  };
  const o = { base, ladder: options.transports ?? LADDER, patience: timeout, tokens, memory };
  const connection = env.tabs ? tabLink(host, env, o, env.tabs, `${o.ladder} ${options.tabs || ''} `) : runtime(host, env, o);

  const keep = async (): Promise<Keeping | null> => {
    const failed = (e: unknown): void => trouble(ownError('outbox', `The outbox: ${textOfError(e)}`, e));
    try {
      const { Keeping: Keeps } = await import('./keeping.js');
      return new Keeps(publications, { env, base, ownError, token: () => tokens.current, told: (event) => events.emit('outbox', event), trouble: failed });
    } catch (e) {
      failed(e);
      return null;
    }
  };
  const keeping = options.outbox ? keep() : null;

  const leave = (s: Subscription): void => {
    const { session } = connection;
    if (s.state === 'off' || !session) s.ended(null);
    else session.sync(s);
  };

  const channelHost: ChannelHost = {
    follow(s, isWanted) {
      if (isWanted() === s.wanted) return;
      if (s.wanted) {
        // Not at once: who listens next may be about to come.
        env.setTimeout(() => {
          if (isWanted() || !s.wanted) return;
          s.wanted = false;
          leave(s);
        }, 0);
        return;
      }
      // The wire does not tell whether a publication is meant for a channel or for a wildcard, so both at once is refused.
      const other = subscriptions().find((t) => t !== s && t.wanted && (matches(t.channel, s.channel) || matches(s.channel, t.channel)));
      if (other) {
        queueMicrotask(() => s.events.emit('error', ownError('overlap', `${s.channel} and ${other.channel} overlap: follow one of them.`)));
        return;
      }
      s.wanted = true;
      need();
      connection.session?.sync(s);
    },
    drop(s) {
      const { wanted } = s;
      s.wanted = false;
      if (wanted) leave(s);
      else s.ended(null); // loops over its events end
      s.events.clear();
    },
    async publish(channel, data, { key = randomKey(), tags, signal }) {
      const refusal = need();
      if (refusal) throw refusal;
      return publications.publish({ type: 'publish', channel, data: data ?? null, key, tags }, signal);
    },
    signal(command, conflate) {
      if (!need()) signals.signal(command, conflate);
    },
    async ask(command, again, signal) {
      const until = env.now() + timeout;
      for (;;) {
        signal?.throwIfAborted();
        const refusal = need();
        if (refusal) throw refusal;
        const { session } = connection;
        const left = until - env.now();
        if (!session && left <= 0) throw ownError('timeout', 'There was no connection in time.');
        try {
          if (session) return await orAborted(session.request(command), signal);
          await orAborted(ready(left), signal);
        } catch (e) {
          if (!again || (e as StarlingError | undefined)?.name !== 'lost') throw e;
        }
      }
    },
  };

  /** Resolves when there is a session or none can be had, or after so long. */
  const ready = (ms: number): Promise<void> => new Promise((done) => {
    const timer = env.setTimeout(done, ms);
    waiting.push(() => {
      env.clearTimeout(timer);
      done();
    });
  });

  const self: Client = {
    get state() {
      return connection.state;
    },
    get user() {
      return user;
    },
    on: events.on,
    connect() {
      deaf ??= listen(connection.happen, env);
      connection.happen({ type: 'connect' });
    },
    disconnect() {
      deaf?.();
      deaf = null;
      connection.happen({ type: 'disconnect' });
      giveUp();
    },
    async logout() {
      connection.logout?.();
      self.disconnect();
      await (await keeping)?.clear();
    },
    use: (ladder) => connection.happen({ type: 'use', ladder }),
    channel<T>(nameOrPattern: string, first?: ChannelOptions | PatternValues, second?: ChannelOptions): Channel<T> {
      const name = fill(nameOrPattern, (first ?? {}) as PatternValues);
      const chosen = nameOrPattern.includes('{') ? second : (first as ChannelOptions | undefined);
      let entry = channels.get(name);
      if (!entry) {
        const wrong = channelTrouble(name);
        if (wrong) throw refuse('bad_channel', wrong);
        const subscription = subscribing(name, chosen ?? {});
        entry = { channel: channelOf(channelHost, subscription), subscription };
        channels.set(name, entry);
      } else if (chosen) entry.subscription.configure(chosen);
      return entry.channel as unknown as Channel<T>;
    },
    call: async (method, data = null, { signal } = {}) => (await channelHost.ask({ type: 'call', method, data }, false, signal)).data,
    async devtools() {
      const { open } = await import('./devtools/index.js');
      return open({
        client: self,
        env,
        frames: (hear) => events.on('frame', hear),
        subscriptions,
        renew: () => connection.happen({ type: 'wake', anew: true }),
        latency: () => connection.session?.latency ?? null,
      });
    },
  };
  return self;
}

/**
 * Makes a client.
 *
 * ```ts
 * const client = createClient();
 * const chat = client.channel<{ text: string }>('chat');
 * chat.on('publication', (p) => console.log(p.data.text));
 * await chat.publish({ text: 'hello' });
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  const page = globalThis.location?.href;
  const given = options.url ?? (page && '/');
  if (given === undefined) throw new TypeError('There is no page here: give the url of the server in the options.');
  const url = new URL(given, page);
  url.search = url.hash = '';
  url.pathname = url.pathname.replace(/\/?$/, '/');
  url.protocol = url.protocol.replace('ws', 'http');
  return clientIn(options, surroundings(options), remember(url.href), url.href);
}

function surroundings(options: ClientOptions): Environment {
  const { navigator, indexedDB, document, BroadcastChannel } = globalThis;
  const locks = navigator?.locks;
  return {
    now: () => Date.now(),
    random: Math.random,
    setTimeout: (f, ms) => setTimeout(f, ms),
    clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout> | undefined),
    WebSocket: options.WebSocket ?? (globalThis.WebSocket as unknown as WebSocketMaker | undefined),
    fetch: async (input, init) => (options.fetch ?? fetch)(input, init),
    indexedDB,
    locks,
    // What tabs need to share a connection, where it is there.
    tabs: options.tabs !== false && locks && document && BroadcastChannel
      ? { locks, open: (name) => new BroadcastChannel(name), visible: () => document.visibilityState === 'visible' }
      : undefined,
    storage: attempt(() => localStorage),
  };
}

/** Some browsers throw at the mention of a storage. */
function attempt<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch {
    return undefined;
  }
}

/** Remembers what worked as long as the tab lives, where that is allowed. */
function remember(base: string): Memory {
  const name = `starling.transport ${base}`;
  return {
    get() {
      const value = attempt(() => sessionStorage.getItem(name));
      return LADDER.find((t) => t === value) ?? null;
    },
    set: (transport) => attempt(() => (transport ? sessionStorage.setItem(name, transport) : sessionStorage.removeItem(name))),
  };
}
