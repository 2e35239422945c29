// The leader's side: one session of the server's, for all tabs.

import { codes, type Command, type Fields, isWildcard, matches, type Message, numberOf, type Refusal, type Signal, textOf } from '../protocol.js';
import { randomKey } from '../publisher.js';
import type { Session } from '../session.js';
import { signaller } from '../signaller.js';
import type { Environment } from '../wire.js';

/** A tab asks to follow a channel. */
interface Join {
  readonly tab: string;
  readonly command: Command;
}

/** A channel at the session, for the tabs that follow it. */
interface Shared {
  live: boolean;
  /** Whether the server has subscribed the session by itself. */
  given: boolean;
  /** Whether it began where a tab was: what comes at first is what that has missed. */
  resumed: boolean;
  options: string;
  readonly tabs: Set<string>;
  /** Who waits to follow it. */
  joins: Join[];
  early: Message[];
  /** The newest signal of each key, for who comes later. */
  readonly values: Map<string, Signal>;
  position: string;
  /** The offset of the last publication that was told to all. */
  offset: number;
  /** Positions of the same line are in one order, which their offsets tell. */
  line: string;
}

/** How long others are waited for whose position may be less, in milliseconds. */
const GATHER = 50;
const MOST_VALUES = 10_000;

/** What a tab is told that has to have a connection of its own. */
const alone = { code: 0, name: 'alone', message: '', retry: true };

/** How a channel is followed, as a text. */
const optionsOf = ({ filter, slow }: Command): string => JSON.stringify({ filter, slow });

/** Whether what comes after one place is all that comes after another, as far as can be known. */
const follows = (c: Command, from: Command): unknown => (c.line && c.line === from.line) || (c.since === from.since && c.offset === from.offset);

/** @internal Serves the tabs with a session, as the server would each of them. It ends with the session. */
export interface Hub {
  command(tab: string, c: Command): void;
  /** A tab is gone. */
  forsake(tab: string): void;
  /** The server says something. */
  raw(m: Message): void;
  /** There is room to send again. */
  drained(): void;
  end(): void;
}

/**
 * @internal
 *
 * @param send tells some of the tabs
 * @param company whether there are other tabs
 */
export function hub(session: Session, env: Environment, send: (tabs: readonly string[], message: Fields) => void, company: () => boolean): Hub {
  const channels = new Map<string, Shared>();
  /** What is being given up: until that is done, what comes is not for who follows it next. */
  const leaving = new Map<string, Promise<unknown>>();
  /**
   * Until when what is said waits: the server hears it after all that was asked to be followed before, by name or wildcard, and in the
   * order in which it was said.
   */
  let opened: Promise<unknown> = Promise.resolve();
  const signals = signaller(env, () => {});
  let over = false;
  signals.use(session);

  const reply = (tab: string, c: Command, result: Fields): void => {
    if (!over && c.id !== undefined) send([tab], { type: 'reply', id: c.id, result });
  };

  const errorOf = (e: unknown): Fields => {
    const { code, name, message, retry } = e as Refusal;
    return { code, name, message, retry };
  };

  const refuse = ({ tab, command }: Join, e: unknown): void => {
    const error = errorOf(e);
    if (over || (error.code === 0 && e !== alone)) return; // the session is gone, and that is told
    send([tab], { type: 'reply', id: command.id ?? null, error });
  };

  const place = (name: string, position: string): Shared => {
    const given = position !== '';
    const shared: Shared = { live: given, given, resumed: false, options: '', tabs: new Set(), joins: [], early: [], values: new Map(), position, offset: 0, line: randomKey() };
    channels.set(name, shared);
    return shared;
  };

  const subscribe = (name: string, join: Join): void => {
    const options = optionsOf(join.command);
    const overlaps = [...channels.keys()].some((other) => other !== name && (matches(other, name) || matches(name, other)));
    const shared = channels.get(name);
    const used = shared && shared.tabs.size + shared.joins.length > 0;
    if (overlaps || (used && shared.options !== options)) refuse(join, alone);
    else if (used && shared.live) void admit(name, shared, join);
    else open(name, shared ?? place(name, ''), join);
  };

  const open = (name: string, shared: Shared, join: Join): void => {
    shared.live = false;
    shared.options = optionsOf(join.command);
    if (shared.joins.push(join) > 1) return; // another has opened it
    const gathered = company() && new Promise((done) => env.setTimeout(done as () => void, GATHER));
    opened = Promise.all([opened, gathered, leaving.get(name)]).then(() => {
      const entered = enter(name, shared);
      return shared.given ? entered : undefined; // it may be given up first, to be followed otherwise
    });
  };

  /** Follows a channel for all who wait for that, from the place from which all of them can go on. */
  const enter = async (name: string, shared: Shared): Promise<void> => {
    if (over || channels.get(name) !== shared) return;
    const from = least(shared.joins);
    const asked = new Set(shared.joins);
    const options: Fields = JSON.parse(shared.options);
    if (shared.given && !from && shared.options === '{}') {
      admitAll(name, shared, asked, null); // it is there as it is wanted
      return;
    }
    try {
      const r = await begin(shared, { type: 'subscribe', channel: name, since: from?.since, offset: from?.offset, ...options });
      const recovered = r.recovered === true;
      shared.given = false;
      shared.resumed = recovered;
      shared.line = (recovered && textOf(from?.line)) || randomKey();
      shared.offset = recovered ? numberOf(from?.last) : 0;
      shared.position = textOf(r.position);
      if (!recovered && shared.tabs.size > 0) send([...shared.tabs], { type: 'reset', channel: name, position: shared.position, reason: 'gone', line: shared.line });
      admitAll(name, shared, asked, recovered ? from : null);
    } catch (e) {
      if (over || channels.get(name) !== shared) return;
      if (shared.given) {
        admitAll(name, shared, asked, null); // it cannot be had from where the tabs are, but from now on
        return;
      }
      channels.delete(name);
      for (const join of shared.joins) refuse(join, e);
      if (shared.tabs.size > 0) send([...shared.tabs], { type: 'unsubscribed', channel: name, error: errorOf(e) });
    }
  };

  /** Subscribes; anew, if the session has the channel already. */
  const begin = async (shared: Shared, command: Command): Promise<Fields> => {
    try {
      return await session.request(command);
    } catch (e) {
      if ((e as Refusal).code !== codes.already_subscribed) throw e;
      await session.request({ type: 'unsubscribe', channel: command.channel }).catch(() => {});
      shared.early = []; // it comes again
      return session.request(command);
    }
  };

  /** The place from which all that wait can go on. */
  const least = (joins: readonly Join[]): Command | null => {
    let found: Command | null = null;
    for (const { command } of joins) {
      if (command.since && (!found || (command.line && command.line === found.line && numberOf(command.last) < numberOf(found.last)))) found = command;
    }
    return found;
  };

  /** @param asked for whom it was asked, from there */
  const admitAll = (name: string, shared: Shared, asked: ReadonlySet<Join>, from: Command | null): void => {
    if (over || channels.get(name) !== shared) return;
    shared.live = true;
    for (const join of shared.joins.splice(0)) {
      const { since } = join.command;
      if (!since || !asked.has(join) || isWildcard(name)) void admit(name, shared, join);
      else if (!from) answer(shared, join, false);
      else if (follows(join.command, from)) answer(shared, join, true);
      else refuse(join, alone);
    }
    for (const m of shared.early.splice(0)) raw(m);
  };

  /** A tab comes to what is there already. */
  const admit = async (name: string, shared: Shared, join: Join): Promise<void> => {
    const { since, line, last } = join.command;
    if (isWildcard(name)) {
      answer(shared, join, false);
      send([join.tab], { type: 'reset', channel: name, reason: 'wildcard' });
    } else if (!since) {
      let after = shared.offset;
      if (shared.resumed) {
        shared.tabs.add(join.tab); // what comes before the answer waits in the tab
        after = Math.max(after, await head(name));
        if (!shared.tabs.has(join.tab)) return;
      }
      answer(shared, join, false, after);
    } else if (line !== shared.line) refuse(join, alone);
    else if (numberOf(last) >= shared.offset) answer(shared, join, true);
    else open(name, shared, join); // for all anew from there: who knows what comes again passes it over
  };

  /**
   * Who begins now shall not hear what others have missed. Returns the offset of the last publication that there is; 0 to who
   * may not read the history, and so hears it.
   */
  const head = async (channel: string): Promise<number> => {
    try {
      const { publications } = await session.request({ type: 'history', channel, newest: true, limit: 1 });
      return numberOf((publications as readonly Fields[])[0]?.offset);
    } catch {
      return 0;
    }
  };

  /** @param goesOn whether the tab goes on where it was */
  const answer = (shared: Shared, { tab, command }: Join, goesOn: boolean, offset = shared.offset): void => {
    shared.tabs.add(tab);
    const { position, line } = shared;
    reply(tab, command, { ...(position && !goesOn && { position, offset }), line, recovered: goesOn });
    for (const s of shared.values.values()) send([tab], { ...s });
  };

  const leave = (tab: string, name: string): void => {
    const shared = channels.get(name);
    const rest = shared?.joins.filter((j) => j.tab !== tab) ?? [];
    if (!shared || (!shared.tabs.delete(tab) && rest.length === shared.joins.length)) return; // it does not follow it
    shared.joins = rest;
    if (shared.tabs.size + rest.length > 0) return;
    channels.delete(name);
    const left = session.request({ type: 'unsubscribe', channel: name }).catch(() => {}).then(() => leaving.delete(name)); // it is not heard any more
    leaving.set(name, left);
  };

  const raw = (m: Message): void => {
    if (over || m.type === 'reply' || !m.channel) return;
    const exact = channels.get(m.channel);
    if (m.type === 'subscribed') {
      if (!exact) place(m.channel, m.position); // for who comes
      return;
    }
    for (const shared of exact ? [exact] : [...channels].filter(([name]) => matches(name, m.channel)).map(([, s]) => s)) {
      if (shared.live) tell(shared, m);
      else if (!leaving.has(m.channel)) shared.early.push(m);
    }
  };

  const tell = (shared: Shared, m: Message & { readonly channel: string }): void => {
    let line: string | undefined;
    if (m.type === 'publication') shared.offset = Math.max(shared.offset, m.offset);
    else if (m.type === 'position' || m.type === 'skipped') shared.position = m.position;
    else if (m.type === 'signal' && m.conflate) {
      const id = `${m.channel}\n${m.conflate}`;
      shared.values.delete(id);
      if (!m.deleted && shared.values.size < MOST_VALUES) shared.values.set(id, m);
    } else if (m.type === 'reset' && m.position) {
      shared.position = m.position;
      shared.offset = 0;
      line = shared.line = randomKey();
    } else if (m.type === 'unsubscribed') channels.delete(m.channel);
    if (shared.tabs.size > 0) send([...shared.tabs], { ...m, line });
  };

  return {
    raw,
    command(tab, c) {
      const name = textOf(c.channel);
      if (c.type === 'subscribe') subscribe(name, { tab, command: c });
      else if (c.type === 'unsubscribe') {
        reply(tab, c, {});
        leave(tab, name);
      } else if (c.type === 'connect') reply(tab, c, { maxMessage: session.maxMessage });
      else if (c.type === 'signal') void opened.then(() => signals.signal({ ...c, channel: name }, textOf(c.conflate)));
      else
        void opened.then(() => session.request(c)).then(
          (result) => reply(tab, c, result),
          (e: unknown) => refuse({ tab, command: c }, e),
        );
    },
    forsake(tab) {
      if (!over) for (const name of [...channels.keys()]) leave(tab, name);
    },
    drained: signals.flush,
    end() {
      over = true;
      signals.abandon();
    },
  };
}
