// Servers die and come back, and nothing is lost or doubled.

import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, createClient, type TransportName } from '../src/index.js';
import { Server, until } from './server.js';

const ways: TransportName[][] = [['websocket'], ['sse'], ['poll'], ['websocket', 'sse', 'poll']];

describe.each(ways.map((w) => [w.join(', '), w] as const))('over %s', (_, transports) => {
  test('kill -9 while two clients publish on two channels loses and doubles nothing', async () => {
    const server = await Server.start();
    const names = ['left', 'right'];
    const clients = [0, 1].map(() => createClient({ url: server.url, WebSocket, transports }));
    const got = clients.map(() => new Map(names.map((n) => [n, [] as unknown[]])));
    const resets: unknown[] = [];
    const recovered: string[] = [];
    for (const [i, c] of clients.entries()) {
      for (const n of names) {
        c.channel(n).on('publication', (p) => got[i]?.get(n)?.push(p.data));
        c.channel(n).on('reset', (r) => resets.push(r));
        c.channel(n).on('recovered', () => recovered.push(`${i} ${n}`));
      }
    }
    await until(() => clients.every((c) => names.every((n) => c.channel(n).subscribed)), 'all to be subscribed');
    const each = 60;
    const stored: Promise<unknown>[] = [];
    for (let n = 0; n < each; n++) {
      for (const [i, c] of clients.entries()) for (const name of names) stored.push(c.channel(name).publish(`${i} ${n}`));
    }
    await Promise.race(stored);
    await server.kill();
    await until(() => clients.every((c) => c.state.name === 'waiting'), 'both to notice');
    await server.run();
    await Promise.all(stored);
    for (const name of names) {
      const kept = await server.kept(name);
      expect(kept).toHaveLength(2 * each);
      expect(new Set(kept).size).toBe(2 * each);
      await until(() => got.every((g) => g.get(name)?.length === 2 * each), `all of ${name}`);
      for (const g of got) expect(g.get(name)).toEqual(kept);
      for (const i of [0, 1]) {
        const own = kept.filter((k) => String(k).startsWith(`${i} `));
        expect(own).toEqual(Array.from({ length: each }, (__, n) => `${i} ${n}`));
      }
    }
    expect(resets).toEqual([]);
    expect(new Set(recovered)).toEqual(new Set(['0 left', '0 right', '1 left', '1 right']));
    for (const c of clients) c.disconnect();
    await server.stop();
  });

  test('a server that goes away says when to come back, and is obeyed', async () => {
    const server = await Server.start('--drain', '1s');
    const c = createClient({ url: server.url, WebSocket, transports });
    const got: unknown[] = [];
    const kinds: string[] = [];
    c.channel('drained').on('publication', (p) => got.push(p.data));
    c.on('state', (s) => s.name === 'waiting' && kinds.push(s.reason.kind));
    await until(() => c.channel('drained').subscribed, 'to be subscribed');
    await server.kill('SIGTERM');
    await server.run();
    await until(() => c.state.name === 'connected', 'it to be back');
    await c.channel('drained').publish('after');
    await until(() => got.length === 1, 'the publication');
    expect(kinds[0]).toBe('draining');
    c.disconnect();
    await server.stop();
  });

  test('a log that has begun anew is told as a reset, and it goes on', async () => {
    const server = await Server.start();
    const c = createClient({ url: server.url, WebSocket, transports });
    const told: unknown[] = [];
    const ch = c.channel('anew');
    ch.on('publication', (p) => told.push(p.data));
    ch.on('reset', (r) => told.push(`reset ${r.reason}`));
    ch.on('recovered', () => told.push('recovered'));
    await until(() => ch.subscribed, 'to be subscribed');
    await ch.publish('first life');
    await until(() => told.length === 1, 'the publication');
    await server.kill();
    await server.wipe();
    await server.run();
    await until(() => ch.subscribed, 'to be subscribed again');
    await ch.publish('second life');
    await until(() => told.length === 3, 'to be told of both');
    expect(told).toEqual(['first life', 'reset gone', 'second life']);
    c.disconnect();
    await server.stop();
  });
});

test('after disconnect it does not come back, and connect goes on where it was', async () => {
  const server = await Server.start();
  const c: Client = createClient({ url: server.url, WebSocket });
  const got: unknown[] = [];
  const ch = c.channel('stop');
  ch.on('publication', (p) => got.push(p.data));
  await until(() => ch.subscribed, 'to be subscribed');
  c.disconnect();
  await expect(ch.publish('not now')).rejects.toMatchObject({ name: 'closed' });
  await server.publish('stop', 'meanwhile');
  c.channel('stop-other').on('publication', () => {});
  expect(c.state).toEqual({ name: 'disconnected', reason: 'asked' });
  c.connect();
  await until(() => got.length === 1, 'what came meanwhile');
  expect(got).toEqual(['meanwhile']);
  c.disconnect();
  await server.stop();
});
