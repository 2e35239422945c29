// The client against the real server, over each transport.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, type ClientOptions, createClient, StarlingError, type TransportName } from '../src/index.js';
import { Server, until } from './server.js';

let server: Server;
const clients: Client[] = [];
beforeAll(async () => {
  server = await Server.start('--limit-message', '2000');
});
afterAll(async () => {
  await server.stop();
});

function open(options: Partial<ClientOptions> = {}, url = server.url): Client {
  const client = createClient({ url, WebSocket, ...options });
  clients.push(client);
  return client;
}

const connected = (c: Client) => until(() => c.state.name === 'connected', 'a connection');
const TRANSPORTS: TransportName[] = ['websocket', 'sse', 'poll'];

describe.each(TRANSPORTS)('over %s', (transport) => {
  const transports = [transport];

  test('what is published comes, to who publishes as well', async () => {
    const [a, b] = [open({ transports }), open({ transports })];
    const got: unknown[] = [];
    const subscribed: boolean[] = [];
    const ca = a.channel<string>(`talk-${transport}`);
    ca.on('publication', (p) => got.push(['a', p.data, p.tags]));
    const cb = b.channel<string>(`talk-${transport}`);
    cb.on('publication', (p) => got.push(['b', p.data, p.tags]));
    cb.on('subscribed', (e) => subscribed.push(e.recovered));
    await until(() => ca.subscribed && cb.subscribed, 'both to be subscribed');
    const done = await ca.publish('hello', { tags: { lang: 'en' } });
    expect(done).toMatchObject({ duplicate: false });
    const again = await ca.publish('hello', { key: done.key, tags: { lang: 'en' } });
    expect(again).toMatchObject({ duplicate: true, offset: done.offset });
    await until(() => got.length === 2, 'both to have it');
    expect(got.sort()).toEqual([['a', 'hello', { lang: 'en' }], ['b', 'hello', { lang: 'en' }]]);
    expect(subscribed).toEqual([false]);
    expect(a.state).toMatchObject({ name: 'connected', transport });
    a.disconnect();
    b.disconnect();
  });

  test('history in pages, both ways', async () => {
    const name = `history-${transport}`;
    for (let i = 0; i < 5; i++) await server.publish(name, i);
    const c = open({ transports }).channel<number>(name);
    const newest = await c.history({ newest: true, limit: 2 });
    expect(newest.publications.map((p) => p.data)).toEqual([3, 4]);
    expect(newest.more).toBe(true);
    const before = await c.history({ before: newest.position, limit: 2 });
    expect(before.publications.map((p) => p.data)).toEqual([1, 2]);
    const oldest = await c.history({ limit: 3 });
    expect(oldest.publications.map((p) => p.data)).toEqual([0, 1, 2]);
    expect((await c.history({ since: oldest.position })).publications.map((p) => p.data)).toEqual([3, 4]);
  });

  test('signals, conflated and not', async () => {
    const name = `signals-${transport}`;
    const [a, b] = [open({ transports }), open({ transports })];
    const got: unknown[] = [];
    const ca = a.channel<number>(name);
    const cb = b.channel<number>(name);
    cb.on('signal', (s) => got.push([s.conflate ?? null, s.deleted ? 'deleted' : s.data]));
    ca.subscribe();
    await until(() => ca.subscribed && cb.subscribed, 'both to be subscribed');
    ca.signal(1);
    await until(() => got.length === 1, 'the signal');
    expect(got).toEqual([[null, 1]]);
    for (let i = 0; i <= 20; i++) ca.signal(i, { conflate: 'pen' });
    await until(() => got.some((g) => JSON.stringify(g) === '["pen",20]'), 'the newest value');
    ca.clearSignal('pen');
    await until(() => JSON.stringify(got.at(-1)) === '["pen","deleted"]', 'the value to go');
    a.disconnect();
    b.disconnect();
  });

  test('filters, policies and wildcards', async () => {
    const c = open({ transports });
    const name = `filtered-${transport}`;
    const got: unknown[] = [];
    const resets: string[] = [];
    const one = c.channel(name, { filter: { lang: 'de' }, slow: 'latest' });
    one.on('publication', (p) => got.push(p.data));
    const all = c.channel(`room-${transport}:*`);
    all.on('publication', (p) => got.push(`${p.channel} ${p.data}`));
    all.on('reset', (r) => resets.push(r.reason));
    await until(() => one.subscribed && all.subscribed, 'both to be subscribed');
    await server.publish(name, 'no', { lang: 'en' });
    await server.publish(name, 'ja', { lang: 'de' });
    await server.publish(`room-${transport}:a`, 'x');
    await until(() => got.length === 2, 'both publications');
    expect(got.sort()).toEqual(['ja', `room-${transport}:a x`]);
    await until(() => resets[0] === 'wildcard', 'to be told that a wildcard begins now');
    c.disconnect();
  });

  test('subscribing, leaving and coming back while it goes on', async () => {
    const c = open({ transports });
    const name = `leave-${transport}`;
    const got: unknown[] = [];
    const other = c.channel(`${name}-other`);
    other.subscribe();
    await until(() => other.subscribed, 'to be subscribed');
    const ch = c.channel<number>(name);
    const off = ch.on('publication', (p) => got.push(p.data));
    await until(() => ch.subscribed, 'to be subscribed');
    await ch.publish(1);
    await until(() => got.length === 1, 'the first');
    off();
    await until(() => !ch.subscribed, 'to have left');
    await ch.publish(2);
    ch.on('publication', (p) => got.push(p.data));
    await until(() => ch.subscribed, 'to be back');
    await ch.publish(3);
    await until(() => got.length === 2, 'the third');
    expect(got).toEqual([1, 3]);
    c.disconnect();
  });

  test('a channel that is refused does not hold up the others', async () => {
    const c = open({ transports });
    const errors: StarlingError[] = [];
    const got: unknown[] = [];
    const names = Array.from({ length: 40 }, (_, i) => `many-${transport}-${i}`);
    for (const n of names) {
      const ch = c.channel(n);
      ch.on('publication', (p) => got.push(p.data));
      ch.on('error', (e) => errors.push(e));
    }
    const limit = transport === 'websocket' ? 40 : 32;
    await until(() => names.filter((n) => c.channel(n).subscribed).length === limit && errors.length >= 40 - limit, 'as many as there can be');
    expect(new Set(errors.map((e) => e.name))).toEqual(new Set(limit === 40 ? [] : ['limit_reached']));
    for (const n of names) if (c.channel(n).subscribed) await server.publish(n, n);
    await until(() => got.length === limit, 'one of each');
    c.disconnect();
  });

  test('what is too large is refused, and the next goes out', async () => {
    const c = open({ transports });
    const ch = c.channel<string>(`large-${transport}`);
    const large = ch.publish('x'.repeat(3000));
    const small = ch.publish('x');
    const error = await large.catch((e: unknown) => e);
    if (!(error instanceof StarlingError)) throw new Error(`it was not refused: ${String(error)}`);
    expect(error).toMatchObject({ name: 'too_large', code: 4005, docs: `${server.url}/docs/errors/too_large` });
    expect(await (await fetch(error.docs)).text()).toContain('Error 4005');
    await small;
    expect(await server.kept(`large-${transport}`)).toEqual(['x']);
    c.disconnect();
  });

  test('a token that does not hold ends it with the reason', async () => {
    const c = open({ transports, token: 'not a token' });
    c.connect();
    await until(() => c.state.name === 'failed', 'it to fail');
    expect(c.state).toMatchObject({ name: 'failed', code: 4100 });
    await expect(c.channel('x').publish(1)).rejects.toBeInstanceOf(StarlingError);
  });
});

test('it goes on where it was over another transport', async () => {
  const c = open();
  const got: unknown[] = [];
  const resets: unknown[] = [];
  for (const name of ['switch-a', 'switch-b']) {
    c.channel(name).on('publication', (p) => got.push(p.data));
    c.channel(name).on('reset', (r) => resets.push(r));
  }
  const want: string[] = [];
  for (const t of ['websocket', 'sse', 'poll', 'sse', 'websocket', 'poll', 'websocket'] as const) {
    c.use([t]);
    for (let i = 0; i < 20; i++) {
      const name = i % 3 ? 'switch-a' : 'switch-b';
      if (want.length === 0) await until(() => c.channel('switch-a').subscribed && c.channel('switch-b').subscribed, 'to be there');
      want.push(`${name} ${want.length}`);
      await server.publish(name, want.at(-1));
    }
    await until(() => got.length === want.length, `${want.length} publications, not ${got.length}`);
    expect(c.state).toMatchObject({ transport: t });
  }
  for (const name of ['switch-a', 'switch-b']) expect(got.filter((g) => String(g).startsWith(name))).toEqual(want.filter((w) => w.startsWith(name)));
  expect(resets).toEqual([]);
  c.disconnect();
});

test.each(TRANSPORTS)('an earlier visit is gone on from: %s', async (transport) => {
  const name = `visit-${transport}`;
  const first = open({ transports: [transport] });
  const got: unknown[] = [];
  first.channel(name).on('publication', (p) => got.push(p.data));
  await until(() => first.channel(name).subscribed, 'to be subscribed');
  await first.channel(name).publish(1);
  await until(() => got.length === 1, 'the first');
  const since = first.channel(name).position;
  first.disconnect();
  await server.publish(name, 2);
  const second = open({ transports: [transport] });
  const recovered: boolean[] = [];
  second.channel(name, { since }).on('publication', (p) => got.push(p.data));
  second.channel(name).on('subscribed', (e) => recovered.push(e.recovered));
  await until(() => got.length === 2 && recovered.length === 1, 'the second');
  expect([got, recovered]).toEqual([[1, 2], [true]]);
  second.disconnect();
});

test('without a WebSocket it takes the next', async () => {
  class Blocked {
    readonly readyState = 0;
    readonly bufferedAmount = 0;
    onopen = null;
    onmessage = null;
    onclose: ((e: never) => void) | null = null;
    onerror = null;
    constructor() {
      setTimeout(() => (this.onclose as ((e: unknown) => void) | null)?.({ code: 1006, reason: '' }), 5);
    }
    send(): void {}
    close(): void {}
  }
  const c = open({ WebSocket: Blocked });
  c.connect();
  await connected(c);
  expect(c.state).toMatchObject({ transport: 'sse' });
  c.disconnect();
});
