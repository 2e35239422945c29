// The leader's side: one session of the server's, for all tabs.

import { alone } from '../alone.js';
import type { Refusal } from '../protocol.js';
import { type Command, type Fields, isWildcard, matches, type Message, numberOf, type Signal, textOf } from '../protocol.js';
import { randomKey } from '../publisher.js';
import type { Session } from '../session.js';
import type { Signaller } from '../signaller.js';
import type { Environment } from '../wire.js';

/** @internal A tab asks to follow a channel. */
interface Join {
  readonly tab: string;
  readonly command: Command;
}

/** How long others are waited for whose position may be less, in milliseconds. */
const GATHER = 50;
const MOST_VALUES = 10_000;

/** A channel at the session, for the tabs that follow it. */
class Shared {
  live = false;
  readonly tabs = new Set<string>();
  readonly joins: Join[] = [];
  readonly early: Message[] = [];
  /** The newest signal of each key, for who comes later. */
  readonly values = new Map<string, Signal>();
  position = '';
  /** The offset of the last publication that was told to all. */
  offset = 0;
  /** Positions of the same line are in one order, which their offsets tell. */
  line = '';

  constructor(readonly options: string) {}
}

const optionsOf = (c: Command): string => JSON.stringify([c.filter, c.slow]);
const placeOf = (c: Command): string => JSON.stringify([c.since, c.offset]);

/** @internal Serves the tabs with a session, as the server would each of them. It ends with the session. */
export class Hub {
  readonly #session: Session;
  readonly #env: Environment;
  readonly #send: (tabs: readonly string[], message: Fields) => void;
  /** A tab is behind what the others have been told: all have to begin anew, from the least. */
  readonly #again: () => void;
  /** Whether there are other tabs. */
  readonly #company: () => boolean;
  readonly #behind: Map<string, Command>;
  readonly #channels = new Map<string, Shared>();
  readonly #signaller: Signaller;
  #over = false;

  /** @param behind what tabs were found to be behind, by channel; outlives the hub */
  constructor(session: Session, signaller: Signaller, env: Environment, behind: Map<string, Command>, send: (tabs: readonly string[], message: Fields) => void, again: () => void, company: () => boolean) {
    this.#session = session;
    this.#env = env;
    this.#behind = behind;
    this.#send = send;
    this.#again = again;
    this.#company = company;
    this.#signaller = signaller;
    signaller.use(session);
  }

  end(): void {
    this.#over = true;
    this.#signaller.abandon();
  }

  drained(): void {
    this.#signaller.flush();
  }

  command(tab: string, c: Command): void {
    const name = textOf(c.channel);
    if (c.type === 'subscribe') this.#subscribe(name, { tab, command: c });
    else if (c.type === 'unsubscribe') {
      this.#reply(tab, c, {});
      this.#leave(tab, name);
    } else if (c.type === 'connect') this.#reply(tab, c, { maxMessage: this.#session.maxMessage });
    else if (c.type === 'signal') this.#signaller.signal({ ...c, channel: name }, textOf(c.conflate));
    else void this.#forward(tab, c);
  }

  async #forward(tab: string, c: Command): Promise<void> {
    try {
      this.#reply(tab, c, await this.#session.request(c));
    } catch (e) {
      this.#refuse({ tab, command: c }, e);
    }
  }

  #reply(tab: string, c: Command, result: Fields): void {
    if (!this.#over && c.id !== undefined) this.#send([tab], { type: 'reply', id: c.id, result });
  }

  #refuse({ tab, command }: Join, e: unknown): void {
    const { code, name, message, retry } = e as Refusal;
    if (this.#over || (code === 0 && name !== alone.name)) return; // the session is gone, and that is told
    this.#send([tab], { type: 'reply', id: command.id ?? null, error: { code, name, message, retry } });
  }

  #subscribe(name: string, join: Join): void {
    const shared = this.#channels.get(name);
    const overlaps = [...this.#channels.keys()].some((other) => other !== name && (matches(other, name) || matches(name, other)));
    if (overlaps || (shared && shared.options !== optionsOf(join.command))) {
      this.#refuse(join, alone);
    } else if (shared?.live) this.#admit(name, shared, join);
    else if (shared) shared.joins.push(join);
    else this.#open(name, join);
  }

  #open(name: string, join: Join): void {
    const shared = new Shared(optionsOf(join.command));
    shared.joins.push(join);
    this.#channels.set(name, shared);
    if (this.#company()) this.#env.setTimeout(() => void this.#join(name, shared), GATHER);
    else void this.#join(name, shared);
  }

  async #join(name: string, shared: Shared): Promise<void> {
    if (this.#over) return;
    const from = this.#least(name, shared);
    const joins = shared.joins.splice(0);
    const { filter, slow }: Fields = joins[0]?.command ?? {};
    try {
      const r = await this.#session.request({
        type: 'subscribe', channel: name, ...(from && { since: from.since, ...(numberOf(from.offset) > 0 && { offset: from.offset }) }), ...(filter !== undefined && { filter }), ...(slow !== undefined && { slow }),
      });
      if (this.#over) return;
      const recovered = r.recovered === true;
      shared.live = true;
      shared.line = (recovered && textOf(from?.line)) || randomKey();
      shared.offset = recovered ? numberOf(from?.last) : 0;
      shared.position = textOf(r.position);
      for (const join of joins) this.#answer(shared, join, recovered && from ? this.#follows(join.command, from) : false);
      for (const join of shared.joins.splice(0)) this.#admit(name, shared, join);
      for (const m of shared.early.splice(0)) this.raw(m);
    } catch (e) {
      if (this.#over) return;
      this.#channels.delete(name);
      for (const join of [...joins, ...shared.joins]) this.#refuse(join, e);
    }
  }

  /** The place from which all that wait can go on. */
  #least(name: string, shared: Shared): Command | null {
    let least: Command | null = this.#behind.get(name) ?? null;
    this.#behind.delete(name);
    for (const { command } of shared.joins) {
      if (command.since && (!least || (command.line !== undefined && command.line === least.line && numberOf(command.last) < numberOf(least.last)))) least = command;
    }
    return least;
  }

  /** Whether what comes after one place is all that comes after another. Null: that cannot be known. */
  #follows(c: Command, from: Command): boolean | null {
    if (!c.since) return false;
    return (c.line !== undefined && c.line === from.line) || placeOf(c) === placeOf(from) ? true : null;
  }

  /** A tab comes to what is there already. */
  #admit(name: string, shared: Shared, join: Join): void {
    const { since, line, last } = join.command;
    if (!since || isWildcard(name)) {
      this.#answer(shared, join, false);
      if (isWildcard(name)) this.#send([join.tab], { type: 'reset', channel: name, reason: 'wildcard' });
    } else if (line !== shared.line) this.#answer(shared, join, null);
    else if (numberOf(last) >= shared.offset) this.#answer(shared, join, true);
    else {
      this.#behind.set(name, join.command);
      this.#again();
    }
  }

  /** @param goesOn whether the tab goes on where it was; null if that cannot be known */
  #answer(shared: Shared, join: Join, goesOn: boolean | null): void {
    if (goesOn === null) {
      this.#refuse(join, alone);
      return;
    }
    shared.tabs.add(join.tab);
    const { position, offset, line } = shared;
    this.#reply(join.tab, join.command, { ...(position && !goesOn && { position, offset }), line, recovered: goesOn });
    for (const s of shared.values.values()) this.#send([join.tab], { ...s });
  }

  #leave(tab: string, name: string): void {
    const shared = this.#channels.get(name);
    if (!shared) return;
    shared.tabs.delete(tab);
    const at = shared.joins.findIndex((j) => j.tab === tab);
    if (at >= 0) shared.joins.splice(at, 1);
    if (shared.tabs.size > 0 || shared.joins.length > 0) return;
    this.#channels.delete(name);
    void this.#session.request({ type: 'unsubscribe', channel: name }).catch(() => {}); // it is not heard any more
  }

  /** A tab is gone. */
  forsake(tab: string): void {
    if (!this.#over) for (const name of [...this.#channels.keys()]) this.#leave(tab, name);
  }

  /** The server says something. */
  raw(m: Message): void {
    if (this.#over || !('channel' in m)) return;
    const exact = this.#channels.get(m.channel);
    const all = exact ? [exact] : [...this.#channels].filter(([name]) => m.type !== 'error' && matches(name, m.channel)).map(([, shared]) => shared);
    for (const shared of all) {
      if (shared.live) this.#tell(shared, m);
      else shared.early.push(m);
    }
  }

  #tell(shared: Shared, m: Message & { readonly channel: string }): void {
    let line: string | undefined;
    if (m.type === 'publication') shared.offset = Math.max(shared.offset, m.offset);
    else if (m.type === 'position' || m.type === 'skipped') shared.position = m.position;
    else if (m.type === 'signal' && m.conflate) this.#value(shared, m.conflate, m);
    else if (m.type === 'reset' && m.position) {
      shared.position = m.position;
      shared.offset = 0;
      line = shared.line = randomKey();
    } else if (m.type === 'unsubscribed') this.#channels.delete(m.channel);
    this.#send([...shared.tabs], { ...m, ...(line && { line }) });
  }

  #value(shared: Shared, key: string, s: Message & { readonly type: 'signal' }): void {
    const id = `${s.channel}\n${key}`;
    shared.values.delete(id);
    if (!s.deleted && shared.values.size < MOST_VALUES) shared.values.set(id, s);
  }
}
