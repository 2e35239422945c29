// The server for the unit tests of applications: it does what the real one does, where it does anything.

import { describe, expect, test } from 'vitest';
import { TestServer } from '../src/testing/index.js';

test('clients publish, hear and read, when time passes and not before', async () => {
  const server = new TestServer();
  const [one, two] = [server.client(), server.client()];
  const got: unknown[] = [];
  two.channel('a').on('publication', (p) => got.push(p.data));
  await server.clock.pass(100);
  expect([two.state.name, server.connected, got]).toEqual(['connected', 1, []]);
  const stored = one.channel('a').publish('from one', { key: 'k', tags: { lang: 'en' } });
  server.publish('a', 'from the backend');
  expect(got).toEqual([]);
  await server.clock.pass(100);
  expect([await stored, got, server.stored('a')]).toMatchObject([{ duplicate: false, key: 'k' }, ['from the backend', 'from one'], ['from the backend', 'from one']]);
  const page = one.channel('a').history({ newest: true, limit: 1 });
  await server.clock.pass(100);
  expect(await page).toMatchObject({ publications: [{ data: 'from one', tags: { lang: 'en' } }], more: true, complete: true });
  const older = one.channel('a').history({ before: (await page).position });
  await server.clock.pass(100);
  expect((await older).publications.map((p) => p.data)).toEqual(['from the backend']);
});

describe('the network', () => {
  test('can be cut and be away, and nothing is lost', async () => {
    const server = new TestServer();
    const client = server.client();
    const got: unknown[] = [];
    client.channel('a').on('publication', (p) => got.push(p.data));
    await server.clock.pass(10_000);
    server.network.online = false;
    server.network.cut();
    server.publish('a', 1);
    void client.channel('a').publish(2);
    await server.clock.pass(60_000);
    expect([client.state.name, got]).toEqual(['waiting', []]);
    server.network.online = true;
    await server.clock.pass(60_000);
    expect([client.state.name, got]).toEqual(['connected', [1, 2]]);
  });

  test('takes its time', async () => {
    const server = new TestServer();
    server.network.delay = 400;
    const client = server.client();
    client.connect();
    await server.clock.pass(800);
    expect(client.state.name).toBe('connecting');
    await server.clock.pass(1_000);
    expect(client.state.name).toBe('connected');
  });
});

test('a log that was lost, or is kept too short, is a reset', async () => {
  const server = new TestServer({ keep: 2 });
  const client = server.client();
  const resets: string[] = [];
  client.channel('a').on('reset', (r) => resets.push(r.reason));
  server.publish('a', 0);
  await server.clock.pass(100);
  server.network.cut();
  for (const n of [1, 2]) server.publish('a', n);
  await server.clock.pass(5_000);
  expect(resets).toEqual([]);
  server.network.cut();
  for (const n of [3, 4, 5]) server.publish('a', n);
  await server.clock.pass(5_000);
  expect([resets, server.stored('a')]).toEqual([['gone'], [4, 5]]);
  server.lose('a');
  await server.clock.pass(5_000);
  expect([resets, server.stored('a')]).toEqual([['gone', 'epoch'], []]);
});

test('signals reach who is there, and the newest of a key who comes', async () => {
  const server = new TestServer();
  const one = server.client();
  one.channel('a').signal({ x: 1 }, { conflate: 'k' });
  server.signal('a', 'unheard');
  await server.clock.pass(200);
  const got: unknown[] = [];
  server.client().channel('a').on('signal', (s) => got.push(s.data ?? 'deleted'));
  await server.clock.pass(100);
  one.channel('a').clearSignal('k');
  await server.clock.pass(100);
  expect(got).toEqual([{ x: 1 }, 'deleted']);
});

test('who a client is, what it may do, and what it asks is up to the test', async () => {
  const server = new TestServer({
    authenticate: (token) => {
      if (token === 'bad') throw new Error('No.');
      return token;
    },
    authorize: (user, verb, channel) => verb !== 'publish' || channel === `of:${user}`,
    call: (method, data, user) => `${method} ${String(data)} ${user}`,
  });
  const [ann, bad] = [server.client({ token: 'ann' }), server.client({ token: 'bad' })];
  bad.connect();
  const answers = Promise.allSettled([ann.channel('of:ann').publish(1), ann.channel('of:ben').publish(1), ann.call('m', 1)]);
  await server.clock.pass(1_000);
  expect(await answers).toMatchObject([{ value: { duplicate: false } }, { reason: { name: 'forbidden' } }, { value: 'm 1 ann' }]);
  expect([ann.user, bad.state]).toMatchObject(['ann', { name: 'failed', code: 4100 }]);
  server.disconnect('ann');
  await server.clock.pass(1_000);
  expect([ann.state, server.connected]).toMatchObject([{ name: 'failed', code: 4109 }, 0]);
});

test('a filter holds live, after a cut and in history; a drain is obeyed; a machine may sleep', async () => {
  const server = new TestServer();
  const client = server.client();
  const got: unknown[] = [];
  const ch = client.channel('a', { filter: { lang: ['en', 'de'] } });
  ch.on('publication', (p) => got.push(p.data));
  await server.clock.pass(100);
  const both = (n: number): void => {
    server.publish('a', `fr ${n}`, { tags: { lang: 'fr' } });
    server.publish('a', `en ${n}`, { tags: { lang: 'en' } });
  };
  both(1);
  await server.clock.pass(100);
  server.drain(3_000);
  await server.clock.pass(100);
  both(2);
  expect(client.state).toMatchObject({ name: 'waiting', reason: { kind: 'draining' } });
  await server.clock.pass(3_500);
  const page = ch.history();
  await server.clock.pass(100);
  expect([got, (await page).publications.map((p) => p.data)]).toEqual([['en 1', 'en 2'], ['en 1', 'en 2']]);
  server.clock.now += 3_600_000;
  await server.clock.pass(2_000);
  expect(client.state.name).toBe('connected');
});
