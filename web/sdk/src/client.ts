import { type Abortable, orAborted, whenAborted } from './abort.js';
import { Channel, type PublishOptions } from './channel.js';
import type { Devtools } from './devtools/index.js';
import type { Dropped } from './drop.js';
import { Emitter } from './emitter.js';
import { explainAt, ownError, StarlingError } from './errors.js';
import type { ConnectionState, TransportName } from './machine.js';
import type { Keeping, KeepingHost } from './keeping.js';
import { type ChannelPattern, fill, type PatternValues } from './pattern.js';
import type { OutboxEvent } from './outbox.js';
import { channelTrouble, codes, type Command, type Fields, matches, type Refusal } from './protocol.js';
import { type Published, Publisher, randomKey } from './publisher.js';
import { type Connection, type Memory, Runtime, type RuntimeHost } from './runtime.js';
import { Sharing } from './sharing.js';
import { Signaller } from './signaller.js';
import { type ChannelOptions, Subscription } from './subscription.js';
import type { Tabs } from './tabs/bus.js';
import { type GetToken, Tokens } from './tokens.js';
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
export class Client {
  readonly #events = new Emitter<ClientEvents & { frame: Frame }>();
  readonly #env: Environment;
  readonly #timeout: number;
  readonly #channels = new Map<string, { readonly channel: Channel; readonly subscription: Subscription }>();
  readonly #runtime: Connection;
  readonly #publisher: Publisher;
  readonly #signaller: Signaller;
  readonly #keeping: Promise<Keeping | null> | null;
  readonly #ready = new Set<() => void>();
  #user = '';
  #deaf: (() => void) | null = null;

  /** @internal Use {@link createClient}. */
  constructor(options: ClientOptions, env: Environment, memory: Memory, base: string) {
    this.#env = env;
    this.#timeout = options.timeout ?? 10_000;
    const dropped = (drop: Dropped): void => options.onDrop?.(drop);
    this.#publisher = new Publisher(env, options.maxQueued ?? 1000, dropped);
    this.#signaller = new Signaller(env, dropped);
    const tokens = new Tokens(options.getToken ?? options.token ?? '', env);
    const o = { base, ladder: options.transports ?? LADDER, patience: this.#timeout, tokens, memory };
    const host = this.#host(options.onFrame);
    const apart = `${o.ladder} ${options.tabs || ''} `;
    this.#runtime = env.tabs ? new Sharing(host, env, o, env.tabs, apart) : new Runtime(host, env, o);
    this.#keeping = options.outbox ? this.#keep(this.#keepingHost(base, tokens)) : null;
  }

  #host(onFrame: ClientOptions['onFrame']): RuntimeHost {
    return {
      subscriptions: () => this.#subscriptions(),
      find: (channel) => this.#find(channel),
      use: (session) => {
        // With an outbox nothing goes out before what was kept.
        if (!session || !this.#keeping) this.#publisher.use(session);
        void this.#keeping?.then((k) => (k ?? this.#publisher).use(session));
        this.#signaller.use(session);
        if (session) this.#wakeWaiting();
      },
      drained: () => this.#signaller.flush(),
      forget: () => {
        for (const s of this.#subscriptions()) s.forget();
      },
      state: (state) => {
        if (state.name === 'failed') this.#giveUp(new StarlingError({ code: state.code, name: '', message: state.reason.message, retry: false }));
        this.#events.emit('state', state);
      },
      user: (user) => {
        void this.#keeping?.then((k) => k?.identified(user));
        if (user === this.#user) return;
        this.#user = user;
        this.#events.emit('user', user);
      },
      loggedOut: () => this.disconnect(),
      trouble: (e) => this.#events.emit('error', e),
      complained: (channel, refusal) => this.#complained(channel, refusal),
      frame: (frame) => {
        onFrame?.(frame);
        this.#events.emit('frame', frame);
      },
    };
  }

  async #keep(host: KeepingHost): Promise<Keeping | null> {
    try {
      return new (await import('./keeping.js')).Keeping(this.#publisher, host);
    } catch (e) {
      host.trouble(e);
      return null;
    }
  }

  #keepingHost(base: string, tokens: Tokens): KeepingHost {
    return {
      env: this.#env,
      base,
      ownError,
      token: () => tokens.current,
      told: (event) => this.#events.emit('outbox', event),
      trouble: (e) => this.#events.emit('error', ownError('outbox', `The outbox: ${e instanceof Error ? e.message : String(e)}`, e)),
    };
  }

  *#subscriptions(): Iterable<Subscription> {
    for (const { subscription } of [...this.#channels.values()]) yield subscription;
  }

  *#find(name: string): Iterable<Subscription> {
    const exact = this.#channels.get(name)?.subscription;
    if (exact && exact.state !== 'off') {
      yield exact;
      return;
    }
    for (const s of this.#subscriptions()) if (s.isWildcard && matches(s.channel, name)) yield s;
  }

  #complained(channel: string, refusal: Refusal): void {
    const error = new StarlingError(refusal);
    const events = this.#channels.get(channel)?.subscription.events;
    if (events?.has('error')) events.emit('error', error);
    else this.#events.emit('error', error);
  }

  /** What the connection is. */
  get state(): ConnectionState {
    return this.#runtime.state;
  }

  /** Whom the server takes this client for; empty if it is anonymous, or not known yet. */
  get user(): string {
    return this.#user;
  }

  /** Listens to what happens to the client. Returns what ends that. */
  on<K extends keyof ClientEvents>(event: K, listener: (event: ClientEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** Connects, at once: also after {@link Client.disconnect}, after a failure, and instead of waiting. */
  connect(): void {
    this.#deaf ??= listen({
      wake: (anew) => this.#runtime.happen({ type: 'wake', anew }),
      offline: () => this.#runtime.happen({ type: 'offline' }),
      suspend: () => this.#runtime.happen({ type: 'suspend' }),
      resume: () => this.#runtime.happen({ type: 'resume' }),
    }, this.#env);
    this.#runtime.happen({ type: 'connect' });
  }

  /**
   * Disconnects, and stays so until {@link Client.connect}. What waits to be published is rejected; the channels
   * stay as they are, and go on from where they stood.
   */
  disconnect(): void {
    this.#deaf?.();
    this.#deaf = null;
    this.#runtime.happen({ type: 'disconnect' });
    this.#giveUp(ownError('closed', 'The client was told to disconnect.'));
  }

  /** Disconnects, in all tabs that share the connection, and throws away what the outbox keeps for this user in this browser. */
  async logout(): Promise<void> {
    this.#runtime.logout?.();
    this.disconnect();
    await (await this.#keeping)?.clear();
  }

  /** Uses these transports from now on, the best first, and connects anew if there is a connection. */
  use(transports: readonly TransportName[]): void {
    this.#runtime.happen({ type: 'use', ladder: transports });
  }

  /** A channel whose name has values in it, which may not contain ":": `client.channel('chat:{room}', { room })`. */
  channel<T = unknown>(pattern: ChannelPattern, values: PatternValues, options?: ChannelOptions): Channel<T>;
  /**
   * A channel, or with a star at the end of its name all whose names begin so. The same name gives the same object;
   * options that are given later replace the earlier ones from the next subscription on.
   *
   * @typeParam T what is published there. It is not checked.
   */
  channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>;
  channel<T>(nameOrPattern: string, first?: ChannelOptions | PatternValues, second?: ChannelOptions): Channel<T> {
    const filled = nameOrPattern.includes('{');
    const name = filled ? fill(nameOrPattern, (first ?? {}) as PatternValues) : nameOrPattern;
    const options = filled ? second : (first as ChannelOptions | undefined);
    let entry = this.#channels.get(name);
    if (!entry) {
      const trouble = channelTrouble(name);
      if (trouble) throw new StarlingError({ code: codes.bad_channel, name: 'bad_channel', message: trouble, retry: false });
      const subscription = new Subscription(name, options ?? {});
      const channel: Channel = new Channel(this, subscription, () => this.#sync(channel, subscription));
      entry = { channel, subscription };
      this.#channels.set(name, entry);
    } else if (options) {
      entry.subscription.configure(options);
    }
    return entry.channel as unknown as Channel<T>;
  }

  /** Asks the application's backend, through the hooks of the server. Rejects with `lost` if nobody knows whether it arrived. */
  async call(method: string, data?: unknown, { signal }: Abortable = {}): Promise<unknown> {
    return (await this.ask({ type: 'call', method, data: data ?? null }, false, signal)).data;
  }

  /** Opens a panel that shows what this client does, and can do harm to its connection. It is loaded when it is first asked for. */
  async devtools(): Promise<Devtools> {
    const { open } = await import('./devtools/index.js');
    return open({
      client: this,
      env: this.#env,
      frames: (hear) => this.#events.on('frame', hear),
      subscriptions: () => this.#subscriptions(),
      renew: () => this.#runtime.happen({ type: 'wake', anew: true }),
      latency: () => this.#runtime.session?.latency ?? null,
    });
  }

  #sync(channel: Channel, s: Subscription): void {
    if (channel.wanted === s.wanted) return;
    if (channel.wanted) {
      if (!this.#alone(s)) return;
      s.wanted = true;
      this.#need();
      this.#runtime.session?.sync(s);
      return;
    }
    // Not at once: who listens next may be about to come.
    this.#env.setTimeout(() => {
      if (channel.wanted || !s.wanted) return;
      s.wanted = false;
      this.#leave(s);
    }, 0);
  }

  /** The wire does not tell whether a publication is meant for a channel or for a wildcard, so both at once is refused. */
  #alone(s: Subscription): boolean {
    for (const other of this.#subscriptions()) {
      if (other === s || !other.wanted || !(matches(other.channel, s.channel) || matches(s.channel, other.channel))) continue;
      queueMicrotask(() => s.events.emit('error', ownError('overlap', `${s.channel} and ${other.channel} overlap: follow one of them.`)));
      return false;
    }
    return true;
  }

  #leave(s: Subscription): void {
    const { session } = this.#runtime;
    if (s.state === 'off' || !session) s.ended(null);
    else session.sync(s);
  }

  /** @internal */
  drop(s: Subscription): void {
    const wanted = s.wanted;
    s.wanted = false;
    if (wanted) this.#leave(s);
    else s.ended(null); // loops over its events end
    s.events.clear();
  }

  /** @internal */
  publish(channel: string, data: unknown, options: PublishOptions): Promise<Published> {
    const refusal = this.#closed();
    if (refusal) return Promise.reject(refusal);
    this.#need();
    const key = options.key ?? randomKey();
    return this.#publisher.publish({ type: 'publish', channel, data: data ?? null, key, ...(options.tags && { tags: options.tags }) }, options.signal);
  }

  /** @internal */
  signal(command: Command & { readonly channel: string }, conflate: string): void {
    if (this.#closed()) return;
    this.#need();
    this.#signaller.signal(command, conflate);
  }

  /** @internal Sends a command when there is a session. One that may be done twice is sent again if nobody knows. */
  async ask(command: Command, again: boolean, signal?: AbortSignal): Promise<Fields> {
    signal?.throwIfAborted();
    const until = this.#env.now() + this.#timeout;
    for (;;) {
      const session = this.#runtime.session ?? (await this.#untilReady(until, signal));
      try {
        return await orAborted(session.request(command), signal);
      } catch (e) {
        if (!(again && e instanceof StarlingError && e.name === 'lost') || this.#closed()) throw e;
      }
    }
  }

  async #untilReady(until: number, signal: AbortSignal | undefined): Promise<NonNullable<Runtime['session']>> {
    for (;;) {
      signal?.throwIfAborted();
      const refusal = this.#closed();
      if (refusal) throw refusal;
      this.#need();
      const { session } = this.#runtime;
      if (session) return session;
      const left = until - this.#env.now();
      if (left <= 0) throw ownError('timeout', 'There was no connection in time.');
      await new Promise<void>((done) => {
        const timer = this.#env.setTimeout(go, left);
        const deaf = whenAborted(signal, go);
        const env = this.#env;
        const ready = this.#ready;
        function go(): void {
          env.clearTimeout(timer);
          deaf();
          ready.delete(go);
          done();
        }
        ready.add(go);
      });
    }
  }

  #wakeWaiting(): void {
    for (const go of [...this.#ready]) go();
  }

  /** Connects when it is first needed; not after it was told to disconnect, or has failed. */
  #need(): void {
    if (this.state.name === 'idle') this.connect();
  }

  /** Why nothing can be done until {@link Client.connect}, or null. */
  #closed(): StarlingError | null {
    const { state } = this;
    if (state.name === 'failed') return new StarlingError({ code: state.code, name: '', message: state.reason.message, retry: false });
    return state.name === 'disconnected' && state.reason === 'asked' ? ownError('closed', 'The client was told to disconnect.') : null;
  }

  #giveUp(e: StarlingError): void {
    this.#publisher.abandon(e);
    this.#signaller.abandon();
    this.#wakeWaiting();
  }
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
  const page = typeof location === 'undefined' ? undefined : location.href;
  const given = options.url ?? page;
  if (given === undefined) throw new TypeError('Where there is no page, the url of the server has to be given.');
  const url = new URL(given, page);
  if (options.url === undefined) url.pathname = '/';
  url.search = url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.protocol = url.protocol.replace('ws', 'http');
  explainAt(url.href);
  return new Client(options, surroundings(options), remember(url.href), url.href);
}

/** @internal Makes a client that knows nothing of the world but what it is given. */
export function clientIn(options: ClientOptions, env: Environment): Client {
  return new Client(options, env, { get: () => null, set: () => {} }, 'http://test/');
}

function surroundings(options: ClientOptions): Environment {
  const given = options.WebSocket ?? (typeof WebSocket === 'undefined' ? undefined : (WebSocket as unknown as WebSocketMaker));
  return {
    now: () => Date.now(),
    random: Math.random,
    setTimeout: (f, ms) => setTimeout(f, ms),
    clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout> | undefined),
    WebSocket: given,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    indexedDB: globalThis.indexedDB,
    locks: globalThis.navigator?.locks,
    tabs: options.tabs === false ? undefined : tabs(),
    storage: storage(),
  };
}

/** What tabs need to share a connection, where it is there. */
function tabs(): Tabs | undefined {
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof document === 'undefined' || typeof BroadcastChannel === 'undefined') return undefined;
  return { load: () => import('./tabs/link.js'), locks, open: (name) => new BroadcastChannel(name), visible: () => document.visibilityState === 'visible' };
}

/** Some browsers throw at the mention of it. */
function storage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** Remembers what worked as long as the tab lives, where that is allowed. */
function remember(base: string): Memory {
  const name = `starling.transport ${base}`;
  return {
    get: () => {
      try {
        const value = sessionStorage.getItem(name);
        return LADDER.find((t) => t === value) ?? null;
      } catch {
        return null;
      }
    },
    set: (transport) => {
      try {
        if (transport) sessionStorage.setItem(name, transport);
        else sessionStorage.removeItem(name);
      } catch {
        // It is only a shortcut.
      }
    },
  };
}
