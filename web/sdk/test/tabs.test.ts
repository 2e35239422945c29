// Tabs of one browser share one connection.

import { IDBKeyRange as FakeRange } from 'fake-indexeddb';
import { describe, expect, test, vi } from 'vitest';
import type { ClientOptions } from '../src/index.js';
import '../src/keeping.js'; // so that it is there at once
import { Browser, type Tab } from './browser.js';
import { scene, turns } from './scene.js';

vi.stubGlobal('IDBKeyRange', FakeRange);

function stage(seed = 1) {
  const s = scene(seed);
  const browser = new Browser(s.clock, s.network);
  const sessions = () => s.server.sessions.size;
  const tab = (options: ClientOptions = { transports: ['websocket'] }) => {
    const t = browser.tab(options);
    const got: unknown[] = [];
    const told: string[] = [];
    const ch = t.client.channel('a');
    ch.on('publication', (p) => got.push(p.data));
    for (const name of ['subscribed', 'reset', 'unsubscribed', 'error'] as const) ch.on(name, () => told.push(name));
    return Object.assign(t, { got, told, ch });
  };
  return { ...s, browser, sessions, tab };
}

describe('tabs', () => {
  test('ten have one connection, and each hears everything once', async () => {
    const { clock, server, browser, network, sessions, tab } = stage();
    const tabs = Array.from({ length: 10 }, () => tab());
    await clock.pass(5_000);
    expect(tabs.map((t) => t.client.state.name)).toEqual(tabs.map(() => 'connected'));
    expect([sessions(), network.opened, await browser.leaders()]).toEqual([1, ['ws'], 1]);
    for (let n = 0; n < 5; n++) server.publish('a', n);
    await Promise.all([tabs[3]?.ch.publish('from 3'), tabs[7]?.ch.publish('from 7'), clock.pass(20_000)]);
    const kept = server.log('a').map((p) => p.data);
    expect(kept).toHaveLength(7);
    for (const t of tabs) expect([t.got, t.told]).toEqual([kept, ['subscribed']]);
  });

  test.each(['websocket', 'sse', 'poll'] as const)('over %s another takes over when the leader dies, and nothing is lost or doubled', async (transport) => {
    const { clock, server, network, tab } = stage(2);
    const tabs = Array.from({ length: 4 }, () => tab({ transports: [transport] }));
    await clock.pass(5_000);
    for (let n = 0; n < 3; n++) server.publish('a', n);
    await clock.pass(1_000);
    tabs[0]?.die(); // the first leads
    for (let n = 3; n < 6; n++) server.publish('a', n);
    await clock.pass(1_000);
    expect(network.links).toBe(1);
    const left = tabs.slice(1);
    expect(left.map((t) => t.client.state.name)).toEqual(left.map(() => 'connected'));
    await clock.pass(2_000);
    for (const t of left) expect([t.got, t.told]).toEqual([[0, 1, 2, 3, 4, 5], ['subscribed', 'subscribed']]);
  });

  test.each(['websocket', 'sse', 'poll'] as const)('over %s who follows a channel and at once says something there hears it', async (transport) => {
    const { clock, tab } = stage(15);
    const heard: unknown[][] = [];
    const begin = (t: Tab, name: string, n: number) => {
      const own: unknown[] = [];
      heard.push(own);
      const ch = t.client.channel(name);
      ch.on('publication', (p) => own.push(p.data));
      void ch.publish(n);
    };
    const one = tab({ transports: [transport] });
    begin(one, 'first', 1); // before there is a connection
    await clock.pass(5_000);
    begin(one, 'second', 2);
    const two = tab({ transports: [transport] }); // from now on there is company, which is waited for
    await clock.pass(5_000);
    begin(two, 'third', 3);
    begin(two, 'second', 4);
    await clock.pass(5_000);
    expect(heard).toEqual([[1], [2, 4], [3], [4]]);
  });

  test('what is said goes out after all that is to be followed, by a wildcard as well', async () => {
    const { clock, server, tab } = stage(16);
    const commands = vi.spyOn(server, 'command');
    const went = () => [...new Set(commands.mock.calls.map(([, c]) => `${c.type} ${c.channel}`))].filter((c) => c.includes(' w'));
    const follow = (t: Tab, n: number) => {
      t.client.channel(`w${n}:*`).subscribe();
      void t.client.channel(`w${n}:x`).publish(n);
    };
    const one = tab();
    await clock.pass(5_000);
    follow(one, 1);
    await clock.pass(5_000);
    const two = tab(); // from now on there is company, which is waited for
    await clock.pass(5_000);
    follow(two, 2);
    follow(one, 3);
    await clock.pass(5_000);
    for (const n of [1, 2, 3]) expect(went().indexOf(`publish w${n}:x`)).toBeGreaterThan(went().indexOf(`subscribe w${n}:*`));
    expect(went()).toHaveLength(6);
  });

  test('of what is said before a channel is given up and after it the newest is what stays', async () => {
    const { clock, server, tab } = stage(17);
    const [, two] = [tab(), tab()];
    await clock.pass(5_000);
    const left = two.client.channel('left');
    left.subscribe();
    left.signal('old', { conflate: 'k' });
    left.unsubscribe(); // it was not there yet
    left.signal('new', { conflate: 'k' });
    await clock.pass(5_000);
    expect(server.signals.at(-1)).toMatchObject({ channel: 'left', data: 'new' });
  });

  test('who follows in a way of their own what the server gives hears what they say at once', async () => {
    const { clock, server, tab } = stage(18);
    server.gives = ['given'];
    const [, two] = [tab(), tab()];
    await clock.pass(5_000);
    const got: unknown[] = [];
    const given = two.client.channel('given', { filter: { lang: 'en' } });
    given.on('publication', (p) => got.push(p.data));
    void given.publish('mine');
    await clock.pass(10_000);
    expect(got).toEqual(['mine']);
  });

  test('a leader that nobody sees yields to one that is looked at', async () => {
    const { clock, server, sessions, tab } = stage(3);
    const [one, two] = [tab(), tab()];
    await clock.pass(5_000);
    expect([one.sockets.size, two.sockets.size]).toEqual([1, 0]);
    one.show(false);
    two.show(true);
    await clock.pass(3_000);
    expect([one.sockets.size, two.sockets.size, sessions()]).toEqual([0, 1, 1]);
    server.publish('a', 1);
    await clock.pass(1_000);
    expect([one.got, two.got]).toEqual([[1], [1]]);
  });

  test('one that is frozen gives the lead up, and comes back to what it has missed', async () => {
    const { clock, server, sessions, tab } = stage(4);
    const [one, two] = [tab(), tab()];
    await clock.pass(5_000);
    server.publish('a', 1);
    await clock.pass(1_000);
    one.freeze();
    await clock.pass(1_000);
    for (const n of [2, 3]) server.publish('a', n);
    await clock.pass(600_000);
    expect([one.got, two.got, sessions()]).toEqual([[1], [1, 2, 3], 1]);
    one.thaw();
    await clock.pass(2_000);
    server.publish('a', 4);
    await clock.pass(1_000);
    expect([one.got, two.got, sessions()]).toEqual([[1, 2, 3, 4], [1, 2, 3, 4], 1]);
    expect([...one.told, ...two.told].filter((x) => x === 'reset')).toEqual([]);
  });

  test('one that does not answer loses the lead', async () => {
    const { clock, browser, tab } = stage(5);
    const hung = tab();
    await clock.pass(5_000);
    hung.alive = false; // no timer runs, no message is heard
    browser.deafen(hung);
    const other = tab();
    await clock.pass(5_000);
    expect(other.client.state.name).toBe('connected');
    expect(other.sockets.size).toBe(1);
  });

  test('a channel is followed as long as one tab follows it, and whoever comes later has the newest signals', async () => {
    const { clock, server, tab } = stage(6);
    const [one, two] = [tab(), tab()];
    await clock.pass(5_000);
    server.tell('a', { type: 'signal', channel: 'a', data: 1, conflate: 'k', time: 1 });
    server.tell('a', { type: 'signal', channel: 'a', data: 2, conflate: 'k', time: 1 });
    await clock.pass(1_000);
    const signals: unknown[] = [];
    const three = tab();
    three.ch.on('signal', (s) => signals.push(s.data));
    await clock.pass(2_000);
    expect(signals).toEqual([2]);
    const follows = () => [...server.sessions.values()].map((s) => [...s.places.keys()]);
    one.ch.unsubscribe();
    two.die();
    await clock.pass(2_000);
    expect(follows()).toEqual([['a']]);
    three.ch.unsubscribe();
    await clock.pass(2_000);
    expect(follows()).toEqual([[]]);
  });

  test('users, and those who want it, are kept apart; what cannot be shared has its own', async () => {
    const { clock, sessions, tab } = stage(7);
    const jwt = (sub: string) => `h.${btoa(JSON.stringify({ sub }))}.s`;
    const transports = ['websocket'] as const;
    const tabs = [
      tab({ transports, token: jwt('ann') }), tab({ transports, token: jwt('ann') }), tab({ transports, token: jwt('ben') }), tab({ transports }), tab({ transports }),
      tab({ transports, tabs: false }), tab({ transports, tabs: 'cat' }), tab({ transports, token: 'opaque' }), tab({ transports, token: 'opaque' }),
    ];
    await clock.pass(5_000);
    expect(tabs.map((t) => t.client.state.name)).toEqual(tabs.map(() => 'connected'));
    expect(sessions()).toBe(7);
    const filtered = stage(8);
    filtered.tab();
    await filtered.clock.pass(2_000);
    const t = filtered.browser.tab({ transports });
    t.client.channel('a', { filter: { x: 'y' } }).subscribe();
    const wild = filtered.browser.tab({ transports });
    wild.client.channel('a*').subscribe();
    await filtered.clock.pass(5_000);
    expect([filtered.sessions(), t.client.channel('a').subscribed, wild.client.channel('a*').subscribed]).toEqual([3, true, true]);
  });

  test('a token is had by each tab once, and renewed by the leader; a logout is one of all', async () => {
    const { clock, server, sessions, tab } = stage(9);
    server.expires = 100_000;
    const reasons: string[][] = [];
    const tabs = [0, 1, 2].map((i) => {
      reasons[i] = [];
      return tab({ transports: ['websocket'], getToken: ({ reason }) => {
        reasons[i]?.push(reason);
        return `h.${btoa(JSON.stringify({ sub: 'ann' }))}.s`;
      } });
    });
    await clock.pass(250_000);
    expect(reasons[0]?.slice(0, 3)).toEqual(['connect', 'expiring', 'expiring']);
    expect(reasons.slice(1)).toEqual([['connect'], ['connect']]);
    await tabs[1]?.client.logout();
    await clock.pass(5_000);
    expect(tabs.map((t) => t.client.state)).toEqual(tabs.map(() => ({ name: 'disconnected', reason: 'asked' })));
    expect(sessions()).toBe(0);
  });

  test('states of all tabs are those of the connection, and one that disconnects leaves the others theirs', async () => {
    const { clock, server, sessions, tab } = stage(10);
    const [one, two, three] = [tab(), tab(), tab()];
    await clock.pass(5_000);
    server.up = false;
    server.endAll(0);
    await clock.pass(1_000);
    expect([one, two, three].map((t) => t.client.state.name)).not.toContain('connected');
    server.up = true;
    two.client.connect();
    await clock.pass(1_000);
    expect([one, two, three].map((t) => t.client.state.name)).toEqual(['connected', 'connected', 'connected']);
    one.client.disconnect();
    await clock.pass(2_000);
    expect([one, two, three].map((t) => t.client.state.name)).toEqual(['disconnected', 'connected', 'connected']);
    expect(sessions()).toBe(1);
    server.publish('a', 1);
    one.client.connect();
    await clock.pass(3_000);
    expect([one.got, two.got, three.got, sessions()]).toEqual([[1], [1], [1], 1]);
  });
});

describe('a channel that the server gives', () => {
  test.each([[false, 'may be subscribed to'], [true, 'may not be subscribed to']])('is followed by all tabs (%s: it %s otherwise)', async (forbidden) => {
    const { clock, server, sessions, tab } = stage(12);
    server.gives = ['a'];
    if (forbidden) server.forbids.add('a');
    const [one, two] = [tab(), tab()];
    await clock.pass(2_000);
    server.publish('a', 1);
    await clock.pass(1_000);
    const late = tab();
    await clock.pass(1_000);
    server.publish('a', 2);
    await clock.pass(1_000);
    expect([one.got, two.got, late.got, sessions()]).toEqual([[1, 2], [1, 2], [2], 1]);
    expect([one.told, two.told, late.told]).toEqual([['subscribed'], ['subscribed'], ['subscribed']]);
    one.die();
    server.publish('a', 3);
    await clock.pass(3_000);
    server.publish('a', 4);
    await clock.pass(1_000);
    // What was missed is had again where it may be asked for; otherwise it is said that something was.
    const want = forbidden ? [['subscribed', 'subscribed', 'reset'], [4]] : [['subscribed', 'subscribed'], [3, 4]];
    for (const t of [two, late]) expect([t.told, t.got.slice(t.got.indexOf(2) + 1)]).toEqual(want);
    expect(sessions()).toBe(1);
  });
});

test('a tab that comes while others catch up hears what is published from then on', async () => {
  const { clock, server, sessions, tab } = stage(13);
  const [one, two] = [tab(), tab()];
  await clock.pass(2_000);
  for (const n of [1, 2]) server.publish('a', n);
  await clock.pass(1_000);
  server.up = false;
  server.endAll(0);
  for (const n of [3, 4, 5]) server.publish('a', n);
  await clock.pass(200); // for the leader to notice
  const fresh = tab();
  await clock.pass(100);
  server.up = true;
  await clock.pass(5_000);
  const later = tab();
  await clock.pass(1_000);
  server.publish('a', 6);
  await clock.pass(1_000);
  expect([one.got, two.got, fresh.got, later.got, sessions()]).toEqual([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [6], [6], 1]);
});

test('the outbox of a tab that has gone is sent by another, over the connection of all', async () => {
  const { clock, server, network, tab } = stage(11);
  const pass = async (ms: number) => {
    for (let i = 0; i < 20; i++) {
      await clock.pass(ms / 20);
      await turns(); // for the database, which knows no clock of ours
    }
  };
  const options = { transports: ['websocket'], outbox: true } as const;
  const [one, two] = [tab(options), tab(options)];
  await pass(5_000);
  network.blocked.set('ws', 'refuse');
  network.cut(1);
  for (const t of [one, two]) void t.client.channel('b').publish(t === one ? 'one' : 'two').catch(() => {});
  await pass(2_000);
  one.die();
  network.blocked.clear();
  await pass(30_000);
  void two.client.channel('b').publish('after');
  await pass(2_000);
  expect(server.log('b').map((p) => p.data).sort()).toEqual(['after', 'one', 'two']);
  expect(network.links).toBe(1);
});

/** A tab that lives for a while, and what it was told. */
interface Life {
  readonly tab: Tab;
  readonly got: number[];
  /** Where the log stood when it was first subscribed. */
  since: number;
  frozen: boolean;
}

async function live(seed: number, count: { tabs: number; more: number }): Promise<string[]> {
  const { clock, server, network, browser } = stage(seed);
  const lives: Life[] = [];
  const wrong: string[] = [];
  const published: Promise<unknown>[] = [];
  const open = (): void => {
    const tab = browser.tab({ transports: [['websocket'], ['websocket'], ['sse'], ['poll']][Math.floor(clock.random() * 4)] as ['poll'], tabs: 'x' });
    const life: Life = { tab, got: [], since: -1, frozen: false };
    const ch = tab.client.channel<number>('a');
    ch.on('publication', (p) => life.got.push(p.offset));
    ch.on('subscribed', () => {
      if (life.since < 0) life.since = server.log('a').length;
    });
    ch.on('reset', () => wrong.push('a reset, though nothing was removed'));
    lives.push(life);
  };
  const some = (): Life | undefined => {
    const alive = lives.filter((l) => l.tab.alive);
    return alive[Math.floor(clock.random() * alive.length)];
  };
  open();
  open();
  let n = 0;
  for (let i = 0; i < 60; i++) {
    const x = clock.random();
    const life = some();
    if (x < 0.15) open();
    else if (x < 0.25 && lives.filter((l) => l.tab.alive).length > 1) life?.tab.die();
    else if (x < 0.3 && lives.filter((l) => l.tab.alive).length > 1) life?.tab.close();
    else if (x < 0.45 && life) {
      if (life.frozen) life.tab.thaw();
      else life.tab.freeze();
      life.frozen = !life.frozen;
    } else if (x < 0.6) life?.tab.show(clock.random() < 0.5);
    else if (x < 0.7) network.cut(clock.random());
    else if (x < 0.75) {
      server.up = false;
      server.endAll(clock.random() < 0.5 ? 4302 : 0);
      clock.after(clock.between(0, 3_000), () => {
        server.up = true;
      });
    }
    for (let k = 0; k < 3; k++) server.publish('a', n++);
    const from = some();
    if (from && !from.frozen) published.push(from.tab.client.channel('b').publish(n).catch(() => {}));
    await clock.pass(clock.between(10, clock.random() < 0.1 ? 20_000 : 1_500));
  }
  for (const l of lives) if (l.tab.alive && l.frozen) l.tab.thaw();
  for (let i = 0; i < 40; i++) {
    server.publish('a', n++);
    await clock.pass(1_000);
  }
  await clock.pass(20_000);
  const log = server.log('a').map((p) => p.offset);
  for (const [i, { tab, got, since }] of lives.entries()) {
    const [first = -1] = got;
    const at = log.indexOf(first);
    if (got.length > 0 && JSON.stringify(got) !== JSON.stringify(log.slice(at, at + got.length))) wrong.push(`tab ${i} was told ${got.length} with gaps or doubles`);
    if (tab.alive && at + got.length !== log.length) wrong.push(`tab ${i} stands at ${at + got.length} of ${log.length}`);
    if (tab.alive && since >= 0 && at > since) wrong.push(`tab ${i} begins at ${at}, and was subscribed at ${since}`);
  }
  const alive = lives.filter((l) => l.tab.alive);
  const kinds = new Set(alive.map((l) => l.tab.client.state).map((s) => (s.name === 'connected' ? s.transport : s.name)));
  if (alive.some((l) => l.tab.client.state.name !== 'connected')) wrong.push(`states ${[...kinds].join()}`);
  // A tab that was frozen while all others went has positions that cannot be compared with those of who came after.
  count.tabs += alive.length;
  count.more += Math.max(0, network.links - kinds.size);
  for (const l of alive) l.tab.client.disconnect();
  await clock.pass(1_000);
  if (network.links > 0) wrong.push(`${network.links} connections were left open`);
  const keys = server.log('b').map((p) => p.key);
  if (new Set(keys).size !== keys.length) wrong.push('something was stored twice');
  return wrong;
}

const SEEDS = Number(process.env.STARLING_SEEDS ?? 40);
const FIRST = Number(process.env.STARLING_SEED ?? 1);
test(`${SEEDS} seeds of tabs that are opened, closed, frozen and killed lose nothing and double nothing`, { timeout: 300_000 }, async () => {
  const count = { tabs: 0, more: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) expect(await live(seed, count), `seed ${seed}: STARLING_SEED=${seed} STARLING_SEEDS=1`).toEqual([]);
  expect(count.more / count.tabs).toBeLessThan(0.15);
});
