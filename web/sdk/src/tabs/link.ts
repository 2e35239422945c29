// One connection for all tabs of a browser: a lock says who has it, a channel between the tabs carries the rest.

import { delay } from '../backoff.js';
import { claimsOf } from '../identity.js';
import type { ConnectionState, Happening } from '../machine.js';
import { numberOf, textOf } from '../protocol.js';
import { randomKey } from '../publisher.js';
import type { Connection, Runtime, RuntimeHost, RuntimeOptions } from '../runtime.js';
import type { Session } from '../session.js';
import type { Environment } from '../wire.js';
import type { Bus, Kit, Said, Tabs, Wish } from './bus.js';
import { Leader } from './leader.js';
import { TabWire } from './wire.js';

/** How long a leader may be silent when a tab says hello, and how long it leads at least before it yields, in milliseconds. */
const HELLO = 2_000;
const TERM = 2_000;

/** What there is while a tab takes part. */
interface Part {
  readonly cut: AbortController;
  key: string;
  bus: Bus | null;
  leader: Leader | null;
  /** Since when it leads. */
  since: number;
  /** The leader that was heard last. */
  heard: string;
  life: string;
  user: string | null;
  /** What the client was told of it, in this life. */
  told: string | null;
  session: Session | null;
  wire: TabWire | null;
  timer: unknown;
}

/** @internal A tab's share in the connection. It has one of its own where it cannot share. */
export class TabLink implements Connection {
  readonly #id = randomKey();
  readonly #host: RuntimeHost;
  readonly #env: Environment;
  readonly #o: RuntimeOptions;
  readonly #tabs: Tabs;
  readonly #kit: Kit;
  readonly #apart: string;
  readonly #watched = new Set<string>();
  #state: ConnectionState;
  #part: Part | null = null;
  /** Whether its session is there to be used. */
  #live = false;
  #alone: Runtime | null = null;
  #failures = 0;
  #company = false;

  /**
   * @param apart what keeps tabs apart beside the server and the user
   * @param state what has been told of it already
   */
  constructor(host: RuntimeHost, env: Environment, o: RuntimeOptions, tabs: Tabs, kit: Kit, apart: string, state: ConnectionState) {
    this.#host = host;
    this.#env = env;
    this.#o = o;
    this.#tabs = tabs;
    this.#kit = kit;
    this.#apart = apart;
    this.#state = state;
  }

  get state(): ConnectionState {
    return this.#alone?.state ?? this.#state;
  }

  get session(): Session | null {
    return this.#alone ? this.#alone.session : this.#live ? (this.#part?.session ?? null) : null;
  }

  happen(event: Happening): void {
    if (this.#alone) {
      this.#alone.happen(event);
      return;
    }
    const { name } = this.#state;
    switch (event.type) {
      case 'connect':
        if (this.#part?.bus) this.#wish({ type: 'connect' });
        else void this.#begin();
        return;
      case 'disconnect':
        this.#leave({ name: 'disconnected', reason: 'asked' });
        return;
      case 'suspend':
        if (this.#part) this.#leave({ name: 'disconnected', reason: 'page hidden' });
        return;
      case 'resume':
        if (name === 'disconnected' && this.#state.reason === 'page hidden') void this.#begin();
        return;
      case 'use':
        // What one tab wants is not forced on the others.
        this.#goAlone(event);
        return;
      case 'wake':
      case 'offline':
        if (this.#part && !this.#part.bus) void this.#begin();
        else if (this.#part) this.#wish(event);
        if (event.type === 'wake' && this.#part && this.#tabs.visible()) this.#wish({ type: 'visible' });
        return;
    }
  }

  /** Tells the other tabs that the user has logged out. */
  logout(): void {
    this.#part?.bus?.postMessage({ type: 'logout' });
  }

  #set(state: ConnectionState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    this.#state = state;
    this.#host.state(state);
  }

  async #begin(): Promise<void> {
    this.#stop();
    const part: Part = { cut: new AbortController(), key: '', bus: null, leader: null, since: 0, heard: '', life: '', user: null, told: null, session: null, wire: null, timer: null };
    this.#part = part;
    this.#set({ name: 'connecting', transport: null, attempt: this.#failures, reason: null });
    const { tokens } = this.#o;
    try {
      await tokens.fresh('connect');
    } catch (e) {
      if (this.#part === part) this.#wait(part, e instanceof Error ? e.message : String(e));
      return;
    }
    if (this.#part !== part) return;
    this.#failures = 0;
    const user = textOf(claimsOf(tokens.current).sub);
    if (tokens.current && !user) {
      this.#goAlone({ type: 'connect' }); // whose it is cannot be told, so it is shared with nobody
      return;
    }
    part.key = `starling ${this.#o.base} ${this.#apart}${user}`;
    // Who waits for this lock learns that the tab is gone.
    void this.#hold(part, `${part.key} ${this.#id}`, () => this.#enter(part)).catch(() => {});
  }

  #wait(part: Part, message: string): void {
    const ms = delay(++this.#failures, this.#env.random);
    part.timer = this.#env.setTimeout(() => void this.#begin(), ms);
    this.#set({ name: 'waiting', retryIn: ms, retryAt: this.#env.now() + ms, attempt: this.#failures, reason: { kind: 'token', code: 0, message } });
  }

  /** Has a lock for as long as it takes part. */
  async #hold(part: Part, name: string, held: () => void, options: LockOptions = { signal: part.cut.signal }): Promise<void> {
    const { signal } = part.cut;
    let left = (): void => {};
    try {
      await this.#tabs.locks.request(name, options, () => new Promise<void>((done) => {
        left = done;
        if (signal.aborted) done();
        else held();
        signal.addEventListener('abort', left);
      }));
    } finally {
      signal.removeEventListener('abort', left);
    }
  }

  #enter(part: Part): void {
    const bus = this.#tabs.open(part.key);
    part.bus = bus;
    bus.onmessage = (event: { readonly data: Said }) => {
      this.#company = true;
      if (this.#part === part) this.#hear(part, event.data);
    };
    void this.#lead(part, false);
    this.#hello(part);
  }

  #hello(part: Part): void {
    this.#wish({ type: 'hello' });
    if (this.#tabs.visible()) this.#wish({ type: 'visible' });
    this.#env.clearTimeout(part.timer);
    part.timer = this.#env.setTimeout(() => {
      if (!part.leader && !part.heard) void this.#lead(part, true);
    }, HELLO);
  }

  /** Leads when nobody else does; by force if who does is not heard. */
  async #lead(part: Part, steal: boolean): Promise<void> {
    const { signal } = part.cut;
    try {
      await this.#hold(part, part.key, () => this.#rise(part), steal ? { steal } : { signal });
    } catch {
      // It was taken over, or it has left.
    }
    this.#fall(part);
    if (!signal.aborted && !steal) void this.#lead(part, false);
  }

  #rise(part: Part): void {
    const { tokens } = this.#o;
    const ends = numberOf(claimsOf(tokens.current).exp) * 1000;
    if (ends > 0 && !tokens.expiring) tokens.expires(Math.max(1, ends - this.#env.now()));
    part.since = this.#env.now();
    part.leader = new Leader(this.#id, this.#host, this.#env, this.#o, this.#kit, {
      changed: (state, life, user) => this.#say(part, { type: 'state', leader: this.#id, state, life, user }),
      send: (to, life, message) => this.#say(part, { type: 'message', to, life, message }),
      tabs: () => [this.#id, ...this.#watched],
      company: () => this.#company,
    });
    part.leader.happen({ type: 'connect' });
    part.leader.tell();
  }

  #fall(part: Part): void {
    const { leader } = part;
    if (!leader) return;
    part.leader = null;
    this.#watched.clear();
    leader.end();
    part.bus?.postMessage({ type: 'gone', leader: this.#id });
    if (this.#part !== part || part.heard !== this.#id) return;
    this.#lose(part);
    this.#hello(part);
  }

  /** The leader is heard in the other tabs, and in its own. */
  #say(part: Part, said: Said): void {
    if (part.leader || said.type === 'gone') part.bus?.postMessage(said);
    queueMicrotask(() => {
      if (this.#part === part) this.#hear(part, said);
    });
  }

  #wish(wish: Wish): void {
    const part = this.#part;
    if (part?.leader) this.#grant(part, this.#id, wish);
    else part?.bus?.postMessage({ type: 'wish', by: this.#id, wish });
  }

  #hear(part: Part, said: Said): void {
    switch (said.type) {
      case 'wish':
        if (part.leader) this.#grant(part, said.by, said.wish);
        return;
      case 'command':
        if (!part.leader) return;
        this.#watch(part, said.by);
        part.leader.command(said.by, said.life, said.command);
        return;
      case 'state':
        // Of two that lead for a moment it is the one with the lock that counts for itself.
        if (part.leader && said.leader !== this.#id) return;
        this.#follow(part, said);
        return;
      case 'gone':
        if (said.leader !== part.heard) return;
        this.#lose(part);
        this.#hello(part);
        return;
      case 'message':
        if (said.life === part.life && said.to.includes(this.#id)) part.wire?.take(said.message);
        return;
      case 'heir':
        if (said.to === this.#id && !part.leader && this.#tabs.visible()) void this.#lead(part, true);
        return;
      case 'logout':
        this.#host.loggedOut?.();
        return;
    }
  }

  #grant(part: Part, by: string, wish: Wish): void {
    const { leader } = part;
    if (!leader) return;
    switch (wish.type) {
      case 'hello':
        this.#watch(part, by);
        leader.tell();
        return;
      case 'bye':
        leader.forsake(by);
        return;
      case 'visible': {
        if (by === this.#id || this.#tabs.visible()) return;
        // Timers are held back in a tab that nobody sees, and it may be frozen.
        const wait = Math.max(0, part.since + TERM - this.#env.now());
        this.#env.setTimeout(() => {
          if (part.leader === leader && !this.#tabs.visible()) part.bus?.postMessage({ type: 'heir', to: by });
        }, wait);
        return;
      }
      default:
        leader.happen(wish as Happening);
    }
  }

  /** Learns when a tab is gone. */
  #watch(part: Part, tab: string): void {
    if (tab === this.#id || this.#watched.has(tab)) return;
    this.#watched.add(tab);
    const { leader } = part;
    void this.#tabs.locks.request(`${part.key} ${tab}`, { signal: part.cut.signal }, () => {
      if (part.leader !== leader) return;
      this.#watched.delete(tab);
      leader?.forsake(tab);
    }).catch(() => {});
  }

  #follow(part: Part, said: Said & { readonly type: 'state' }): void {
    this.#env.clearTimeout(part.timer);
    part.heard = said.leader;
    if (said.life !== part.life) {
      this.#lose(part);
      part.heard = said.leader;
      part.life = said.life;
      if (said.life) this.#open(part);
    }
    if (this.#part !== part) return;
    part.user = said.user;
    this.#identify(part);
    this.#set(said.state);
  }

  #open(part: Part): void {
    const { life } = part;
    const post = part.leader
      ? (command: Parameters<Leader['command']>[2]): void => part.leader?.command(this.#id, life, command)
      : (command: Parameters<Leader['command']>[2]): void => part.bus?.postMessage({ type: 'command', by: this.#id, life, command });
    const session: Session = new this.#kit.Session({
      env: this.#env,
      patience: this.#o.patience,
      subscriptions: () => this.#host.subscriptions(),
      find: (channel) => this.#host.find(channel),
      complained: (channel, refusal) => this.#host.complained(channel, refusal),
      drained: () => this.#host.drained(),
      opened: () => {
        if (part.session !== session) return;
        this.#live = true;
        this.#host.use(session);
        this.#identify(part);
      },
      informed: () => {},
      ended: (end) => {
        if (part.session !== session) return;
        this.#lose(part);
        // The leader does not answer: it hangs, and has not been found to be dead.
        if (end.kind === 'silent') void this.#lead(part, true);
      },
      alone: () => {
        if (this.#part === part) this.#goAlone({ type: 'connect' });
      },
      frame: (direction, kind, text) => {
        const { state } = this;
        if (!part.leader && state.name === 'connected') this.#host.frame({ direction, transport: state.transport, kind, text });
      },
    }, this.#o.base, '', true, (_, on) => {
      part.wire = new TabWire(on, this.#kit.readMessage, post);
      return part.wire;
    });
    part.session = session;
  }

  /** Tells who this is, after there is a session to use for them. */
  #identify(part: Part): void {
    if (!this.#live || part.user === null || part.user === part.told) return;
    part.told = part.user;
    this.#host.user(part.user);
  }

  /** The session is over; the next goes on. */
  #lose(part: Part): void {
    const { session } = part;
    part.session = part.wire = null;
    part.life = part.heard = '';
    part.told = null;
    if (!session) return;
    session.close();
    if (!this.#live) return;
    this.#live = false;
    this.#host.use(null);
  }

  #stop(): void {
    const part = this.#part;
    if (!part) return;
    this.#part = null;
    this.#env.clearTimeout(part.timer);
    this.#lose(part);
    if (part.leader) this.#fall(part);
    else part.bus?.postMessage({ type: 'wish', by: this.#id, wish: { type: 'bye' } });
    part.cut.abort();
    part.bus?.close();
  }

  #leave(state: ConnectionState): void {
    this.#stop();
    this.#set(state);
  }

  #goAlone(event: Happening): void {
    const wanted = this.#part !== null || event.type === 'connect';
    this.#stop();
    this.#alone = new this.#kit.Runtime(this.#host, this.#env, this.#o);
    this.#alone.happen(event);
    if (wanted) this.#alone.happen({ type: 'connect' });
  }
}
