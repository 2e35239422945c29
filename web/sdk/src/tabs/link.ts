// One connection for all tabs of a browser: a lock says who has it, a channel between the tabs carries the rest.

import { whenAborted } from '../abort.js';
import { delay } from '../backoff.js';
import { textOfError } from '../errors.js';
import { claimsOf } from '../identity.js';
import type { ConnectionState, Happening } from '../machine.js';
import { type Command, numberOf, textOf } from '../protocol.js';
import { randomKey } from '../publisher.js';
import { type Connection, type RuntimeHost, type RuntimeOptions, runtime } from '../runtime.js';
import { openSession, type Session } from '../session.js';
import type { Environment } from '../wire.js';
import type { Bus, Said, Tabs, Wish } from './bus.js';
import { lead, type Leader } from './leader.js';
import { type TabWire, tabWire } from './wire.js';

/** How long a leader may be silent when a tab says hello, and how long it leads at least before it yields, in milliseconds. */
const HELLO = 2_000;
const TERM = 2_000;

/** What there is while a tab takes part. */
interface Part {
  readonly cut: AbortController;
  bus?: Bus;
  leader?: Leader | undefined;
  /** The leader that was heard last. */
  heard: string;
  life: string;
  user: string | null;
  /** What the client was told of it, in this life. */
  told: string | null;
  session?: Session | undefined;
  wire?: TabWire | undefined;
  timer?: unknown;
}

/**
 * @internal A tab's share in the connection. It has one of its own where it cannot share.
 *
 * @param apart what keeps tabs apart beside the server and the user
 */
export function tabLink(host: RuntimeHost, env: Environment, o: RuntimeOptions, tabs: Tabs, apart: string): Connection {
  const id = randomKey();
  const { tokens } = o;
  /** The tabs that this one watches as their leader. */
  const watched = new Set<string>();
  let state: ConnectionState = { name: 'idle' };
  let current: Part | null = null;
  /** Whether its session is there to be used. */
  let live = false;
  let own: Connection | null = null;
  /** What the locks and the bus are named by. */
  let key = '';
  /** Since when this tab leads. */
  let since = 0;
  let failures = 0;
  let company = false;

  const set = (next: ConnectionState): void => {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    host.state(next);
  };

  const begin = async (): Promise<void> => {
    stop();
    const part: Part = { cut: new AbortController(), heard: '', life: '', user: null, told: null };
    current = part;
    set({ name: 'connecting', transport: null, attempt: failures, reason: null });
    try {
      await tokens.fresh('connect');
    } catch (e) {
      if (current !== part) return;
      const retryIn = delay(++failures, env.random);
      part.timer = env.setTimeout(() => void begin(), retryIn);
      set({ name: 'waiting', retryIn, retryAt: env.now() + retryIn, attempt: failures, reason: { kind: 'token', code: 0, message: textOfError(e) } });
      return;
    }
    if (current !== part) return;
    failures = 0;
    const user = textOf(claimsOf(tokens.current).sub);
    if (tokens.current && !user) {
      goAlone(); // whose it is cannot be told, so it is shared with nobody
      return;
    }
    key = `starling ${o.base} ${apart}${user}`;
    // Who waits for this lock learns that the tab is gone.
    hold(part, `${key} ${id}`, () => enter(part)).catch(() => {});
  };

  /** Has a lock for as long as it takes part. */
  const hold = ({ cut: { signal } }: Part, name: string, held: () => void, options: LockOptions = { signal }): Promise<void> =>
    tabs.locks.request(name, options, () => new Promise<void>((done) => {
      whenAborted(signal, () => done());
      if (!signal.aborted) held();
    }));

  const enter = (part: Part): void => {
    const bus = tabs.open(key);
    part.bus = bus;
    bus.onmessage = ({ data }: { readonly data: Said }) => {
      company = true;
      hear(part, data);
    };
    void take(part, false);
    hello(part);
  };

  const hello = (part: Part): void => {
    want({ type: 'hello' });
    if (tabs.visible()) want({ type: 'visible' });
    env.clearTimeout(part.timer);
    part.timer = env.setTimeout(() => {
      if (!part.leader && !part.heard) void take(part, true);
    }, HELLO);
  };

  /** Leads when nobody else does; by force if who does is not heard. */
  const take = async (part: Part, steal: boolean): Promise<void> => {
    const { signal } = part.cut;
    try {
      await hold(part, key, () => rise(part), steal ? { steal } : { signal });
    } catch {
      // It was taken over, or it has left.
    }
    fall(part);
    if (!signal.aborted && !steal) void take(part, false);
  };

  const rise = (part: Part): void => {
    const ends = numberOf(claimsOf(tokens.current).exp) * 1000;
    if (ends > 0 && !tokens.expiring) tokens.expires(Math.max(1, ends - env.now()));
    since = env.now();
    part.leader = lead(id, host, env, o, {
      say: (said) => say(part, said),
      tabs: () => [id, ...watched],
      company: () => company,
    });
    part.leader.happen({ type: 'connect' });
    part.leader.tell();
  };

  const fall = (part: Part): void => {
    const { leader } = part;
    if (!leader) return;
    part.leader = undefined;
    watched.clear();
    leader.happen({ type: 'disconnect' });
    part.bus?.postMessage({ type: 'gone', leader: id });
    if (current !== part || part.heard !== id) return;
    lose(part);
    hello(part);
  };

  /** The leader is heard in the other tabs, and in its own. */
  const say = (part: Part, said: Said): void => {
    if (!part.leader) return; // it has fallen, and who leads next speaks
    part.bus?.postMessage(said);
    queueMicrotask(() => hear(part, said));
  };

  const want = (wish: Wish): void => {
    if (current?.leader) grant(current, current.leader, id, wish);
    else current?.bus?.postMessage({ type: 'wish', by: id, wish });
  };

  const hear = (part: Part, said: Said): void => {
    if (current !== part) return;
    const { leader } = part;
    switch (said.type) {
      case 'wish':
        if (leader) grant(part, leader, said.by, said.wish);
        return;
      case 'command':
        if (!leader) return;
        watch(part, said.by);
        leader.command(said.by, said.life, said.command);
        return;
      case 'state':
        // Of two that lead for a moment it is the one with the lock that counts for itself.
        if (!leader || said.leader === id) follow(part, said);
        return;
      case 'gone':
        if (said.leader !== part.heard) return;
        lose(part);
        hello(part);
        return;
      case 'message':
        if (said.life === part.life && said.to.includes(id)) part.wire?.take(said.message);
        return;
      case 'heir':
        if (said.to === id && !leader && tabs.visible()) void take(part, true);
        return;
      case 'logout':
        host.loggedOut?.();
        return;
    }
  };

  const grant = (part: Part, leader: Leader, by: string, wish: Wish): void => {
    switch (wish.type) {
      case 'hello':
        watch(part, by);
        leader.tell();
        return;
      case 'bye':
        leader.forsake(by);
        return;
      case 'visible': {
        if (by === id || tabs.visible()) return;
        // Timers are held back in a tab that nobody sees, and it may be frozen.
        const wait = Math.max(0, since + TERM - env.now());
        env.setTimeout(() => {
          if (part.leader === leader && !tabs.visible()) part.bus?.postMessage({ type: 'heir', to: by });
        }, wait);
        return;
      }
      default:
        leader.happen(wish as Happening);
    }
  };

  /** Learns when a tab is gone. */
  const watch = (part: Part, tab: string): void => {
    if (tab === id || watched.has(tab)) return;
    watched.add(tab);
    const { leader } = part;
    tabs.locks.request(`${key} ${tab}`, { signal: part.cut.signal }, () => {
      if (part.leader !== leader) return;
      watched.delete(tab);
      leader?.forsake(tab);
    }).catch(() => {});
  };

  const follow = (part: Part, said: Said & { readonly type: 'state' }): void => {
    env.clearTimeout(part.timer);
    if (said.life !== part.life) {
      lose(part);
      part.life = said.life;
      if (said.life) open(part);
    }
    if (current !== part) return;
    part.heard = said.leader;
    part.user = said.user;
    identify(part);
    set(said.state);
  };

  const open = (part: Part): void => {
    const { life } = part;
    const post = (command: Command): void => {
      if (part.leader) part.leader.command(id, life, command);
      else part.bus?.postMessage({ type: 'command', by: id, life, command });
    };
    const session: Session = openSession({
      ...host,
      env,
      patience: o.patience,
      opened() {
        if (part.session !== session) return;
        live = true;
        host.use(session);
        identify(part);
      },
      informed: () => {},
      ended(end) {
        if (part.session !== session) return;
        lose(part);
        // The leader does not answer: it hangs, and has not been found to be dead.
        if (end.kind === 'silent' && !part.leader) void take(part, true);
      },
      alone() {
        if (current === part) goAlone();
      },
      frame(direction, kind, text) {
        if (!part.leader && state.name === 'connected') host.frame({ direction, transport: state.transport, kind, text });
      },
    }, o.base, '', true, (_, on) => {
      part.wire = tabWire(on, post);
      return part.wire;
    });
    part.session = session;
  };

  /** Tells who this is, after there is a session to use for them. */
  const identify = (part: Part): void => {
    if (!live || part.user === null || part.user === part.told) return;
    part.told = part.user;
    host.user(part.user);
  };

  /** The session is over; the next goes on. */
  const lose = (part: Part): void => {
    const { session } = part;
    part.session = part.wire = undefined;
    part.life = part.heard = '';
    part.told = null;
    session?.close();
    if (!session || !live) return;
    live = false;
    host.use(null);
  };

  const stop = (): void => {
    const part = current;
    if (!part) return;
    current = null;
    env.clearTimeout(part.timer);
    lose(part);
    if (part.leader) fall(part);
    else part.bus?.postMessage({ type: 'wish', by: id, wish: { type: 'bye' } });
    part.cut.abort();
    part.bus?.close();
  };

  const goAlone = (event: Happening = { type: 'connect' }): void => {
    const wanted = current;
    stop();
    own = runtime(host, env, o);
    own.happen(event);
    if (wanted) own.happen({ type: 'connect' });
  };

  return {
    get state() {
      return own?.state ?? state;
    },
    get session() {
      return own ? own.session : live ? (current?.session ?? null) : null;
    },
    happen(event) {
      if (own) {
        own.happen(event);
        return;
      }
      switch (event.type) {
        case 'use':
          goAlone(event); // what one tab wants is not forced on the others
          return;
        case 'disconnect':
          stop();
          set({ name: 'disconnected', reason: 'asked' });
          return;
        case 'suspend':
          if (!current) return;
          stop();
          set({ name: 'disconnected', reason: 'page hidden' });
          return;
        case 'resume':
          if (state.name === 'disconnected' && state.reason === 'page hidden') void begin();
          return;
        case 'connect':
        case 'wake':
        case 'offline':
          if (current?.bus) want(event);
          else if (current || event.type === 'connect') void begin();
          if (event.type === 'wake' && tabs.visible()) want({ type: 'visible' });
      }
    },
    /** Tells the other tabs that the user has logged out. */
    logout: () => current?.bus?.postMessage({ type: 'logout' }),
  };
}
