// Publications that outlive the page.

import { IDBFactory as FakeIndexedDB, IDBKeyRange as FakeRange } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Client, ClientOptions, OutboxEvent } from '../src/index.js';
import '../src/keeping.js'; // so that it is there at once
import { FakeLocks } from './locks.js';
import { scene, turns } from './scene.js';

beforeEach(() => vi.stubGlobal('IDBKeyRange', FakeRange));
afterEach(() => vi.unstubAllGlobals());

/** A browser in which pages are opened and closed. */
function browser(seed = 7) {
  const s = scene(seed);
  const locks = new FakeLocks();
  const indexedDB = new FakeIndexedDB();
  const stored = new Map<string, string>();
  const storage = { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => void stored.set(k, v), removeItem: (k: string) => void stored.delete(k) };
  const events: OutboxEvent[] = [];
  const errors: string[] = [];
  const open = (options: ClientOptions = {}) => {
    const page = {};
    let alive = true;
    const env = s.network.environment();
    // Of a page that is gone nothing runs any more.
    const client: Client = s.client({ transports: ['websocket'], outbox: true, ...options }, {
      setTimeout: (f, ms) => env.setTimeout(() => alive && f(), ms), indexedDB, storage, locks: locks.of(page),
    });
    client.on('outbox', (e) => events.push(e));
    client.on('error', (e) => errors.push(e.message));
    const close = () => {
      alive = false;
      s.network.cut(1);
      locks.die(page);
    };
    return { client, close };
  };
  const offline = () => s.network.blocked.set('ws', 'refuse');
  const online = () => s.network.blocked.clear();
  /** Lets time pass, and the database do its work, which knows no clock of ours. */
  const pass = async (ms: number) => {
    for (let i = 0; i < 20; i++) {
      await s.clock.pass(ms / 20);
      await turns();
    }
  };
  const kept = () => s.server.log('n').map((p) => p.data);
  return { ...s, open, offline, online, pass, kept, events, errors };
}

describe('the outbox', () => {
  test('sends in their order what was published offline before a reload, once', async () => {
    const b = browser();
    b.offline();
    const first = b.open();
    for (const n of [1, 2, 3]) void first.client.channel('n').publish(n, { tags: { n: String(n) } });
    await b.pass(5_000);
    first.close();
    const second = b.open();
    void second.client.channel('n').publish(4);
    await b.pass(5_000);
    expect(b.kept()).toEqual([]);
    b.online();
    await b.pass(60_000);
    expect(b.kept()).toEqual([1, 2, 3, 4]);
    expect(b.events.map((e) => [e.outcome, e.channel, e.data])).toEqual([1, 2, 3, 4].map((n) => ['stored', 'n', n]));
    second.close();
    b.open().client.connect();
    await b.pass(30_000);
    expect([b.kept(), b.errors]).toEqual([[1, 2, 3, 4], []]);
  });

  test('keeps what was under way when the connection was lost, and does not store it twice', async () => {
    const b = browser();
    const page = b.open();
    page.client.channel('n').subscribe();
    await b.pass(5_000);
    void page.client.channel('n').publish('under way');
    await b.clock.pass(90); // it has arrived, and the answer has not
    b.network.cut(1);
    b.offline();
    await b.pass(5_000);
    page.close();
    b.online();
    b.open().client.connect();
    await b.pass(30_000);
    expect(b.kept()).toEqual(['under way']);
    expect(b.events).toMatchObject([{ outcome: 'stored' }]);
  });

  test('says what the server refuses for good: on the promise, and after a reload by an event', async () => {
    const b = browser();
    b.server.refuses = 'bad';
    b.offline();
    const first = b.open();
    void first.client.channel('n').publish('bad');
    await b.pass(2_000);
    first.close();
    const second = b.open();
    const outcome = second.client.channel('n').publish('bad').catch((e: Error) => e.name);
    b.online();
    await b.pass(60_000);
    expect(await outcome).toBe('forbidden');
    expect(b.events.map((e) => [e.outcome, e.error?.name])).toEqual([['refused', 'forbidden'], ['refused', 'forbidden']]);
    expect(b.kept()).toEqual([]);
  });

  test('does not send what is older than 12 hours, and says so', async () => {
    const b = browser();
    b.offline();
    const page = b.open();
    const old = page.client.channel('n').publish('old').catch((e: Error) => e.name);
    await b.pass(2_000);
    b.clock.now += 13 * 3_600_000;
    void page.client.channel('n').publish('new');
    b.online();
    await b.pass(60_000);
    expect([await old, b.kept()]).toEqual(['expired', ['new']]);
    b.offline();
    b.network.cut(1);
    void page.client.channel('n').publish('left');
    await b.pass(2_000);
    page.close();
    b.clock.now += 13 * 3_600_000;
    b.online();
    b.open().client.connect();
    await b.pass(30_000);
    expect([b.events.map((e) => `${e.outcome} ${e.data}`), b.kept()]).toEqual([['expired old', 'stored new', 'expired left'], ['new']]);
  });

  test("does not send one user's as another's, and keeps it for when they are back", async () => {
    const b = browser();
    const user = (name: string) => {
      b.server.user = name;
      return b.open({ token: `h.${btoa(JSON.stringify({ sub: name }))}.s` });
    };
    b.offline();
    const ann = user('ann');
    void ann.client.channel('n').publish("ann's");
    await b.pass(2_000);
    ann.close();
    b.online();
    const ben = user('ben');
    void ben.client.channel('n').publish("ben's");
    await b.pass(10_000);
    expect(b.kept()).toEqual(["ben's"]);
    ben.close();
    const again = user('ann');
    again.client.connect();
    await b.pass(30_000);
    expect(b.kept()).toEqual(["ben's", "ann's"]);
  });

  test('knows who it was for also without a token, and forgets on logout', async () => {
    const b = browser();
    b.server.user = 'ann';
    const online = b.open({ getToken: () => 'opaque' });
    online.client.connect();
    await b.pass(5_000);
    online.close();
    b.offline();
    const options = { getToken: () => Promise.reject(new Error('offline')) };
    for (const name of ['kept', 'also kept']) {
      const page = b.open(options);
      void page.client.channel('n').publish(name).catch(() => {});
      await b.pass(2_000);
      page.close();
    }
    b.online();
    const back = b.open({ getToken: () => 'opaque' });
    back.client.connect();
    await b.pass(30_000);
    expect(b.kept()).toEqual(['kept', 'also kept']);
    back.close();
    b.offline();
    const last = b.open(options);
    void last.client.channel('n').publish('forgotten').catch(() => {});
    await b.pass(2_000);
    last.close();
    const out = b.open(options);
    await b.pass(2_000);
    await out.client.logout();
    b.online();
    b.open({ getToken: () => 'opaque' }).client.connect();
    await b.pass(30_000);
    expect(b.kept()).toEqual(['kept', 'also kept']);
  });

  test('leaves to another page that is there what is its own', async () => {
    const b = browser();
    b.network.blocked.set('sse', 'refuse');
    const one = b.open({ transports: ['sse'] });
    void one.client.channel('n').publish('mine');
    await b.pass(2_000);
    const other = b.open();
    other.client.connect();
    await b.pass(5_000);
    expect([other.client.state.name, b.kept()]).toEqual(['connected', []]);
    one.close();
    await b.pass(10_000);
    expect([other.client.state.name, b.kept()]).toEqual(['connected', ['mine']]);
  });

  test('says when there is no database, and sends all the same', async () => {
    const s = scene(8);
    const c = s.client({ outbox: true });
    const errors: string[] = [];
    c.on('error', (e) => errors.push(e.name));
    void c.channel('n').publish(1);
    for (let i = 0; i < 20; i++) await s.clock.pass(500);
    expect([errors, s.server.log('n').length]).toEqual([['outbox'], 1]);
  });
});

test('pages that publish, are closed and go offline, from a seed, lose nothing and double nothing', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const b = browser(seed);
    const { clock } = b;
    let page = b.open();
    let n = 0;
    for (let i = 0; i < 25; i++) {
      const x = clock.random();
      if (x < 0.25) {
        // What was made in the last moment may be lost with the page; this waits until it is kept.
        b.offline();
        b.network.cut(1);
        await b.pass(1_000);
        page.close();
        page = b.open();
      } else if (x < 0.5) b.offline();
      else if (x < 0.75) b.online();
      else b.network.cut(clock.random());
      for (let k = 0; k < 2; k++) void page.client.channel('n').publish(n++).catch(() => {});
      await b.pass(clock.between(100, 5_000));
    }
    b.online();
    await b.pass(120_000);
    expect(b.kept(), `seed ${seed}`).toEqual(Array.from({ length: n }, (_, i) => i));
    expect(b.errors).toEqual([]);
  }
});
