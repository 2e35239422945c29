// Channels by pattern, events by type, loops, and what an AbortSignal ends.

import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import type { Channel, Publication } from '../src/index.js';
import { scene } from './scene.js';

type ChatEvents = { type: 'message'; text: string } | { type: 'renamed'; name: string };

describe('a channel by a pattern', () => {
  test('has the values in their places, and is the same object for the same name', () => {
    const c = scene().client();
    const ch = c.channel<ChatEvents>('chat:{room}:{part}', { room: 'a-b', part: 7 }, { slow: 'latest' });
    expect(ch.name).toBe('chat:a-b:7');
    expect(c.channel('chat:a-b:7')).toBe(ch);
    expectTypeOf(ch).toEqualTypeOf<Channel<ChatEvents>>();
  });

  test.each([
    ['chat:{room}', { room: 'a:b' }, 'may not contain'],
    ['chat:{room}', { room: '*' }, 'may not contain'],
    ['chat:{room}', { room: '{x}' }, 'may not contain'],
    ['chat:{room}', { room: '' }, 'is missing'],
    ['chat:{room}', {}, 'is missing'],
    ['chat:{toString}', {}, 'is missing'],
    ['chat:{room}', { room: 'ä' }, 'is made of'],
  ])('%s with %j is refused: %s', (pattern, values, message) => {
    const c = scene().client();
    expect(() => c.channel(pattern as 'x{y}z', values as Record<string, string>)).toThrow(message);
  });
});

test('events of a union are heard by their type', async () => {
  const { clock, client } = scene();
  const c = client();
  const ch = c.channel<ChatEvents>('chat');
  const names: string[] = [];
  ch.when('renamed', (e, p) => {
    expectTypeOf(e).toEqualTypeOf<{ type: 'renamed'; name: string }>();
    names.push(`${e.name} ${p.channel}`);
  });
  await clock.pass(1_000);
  for (const data of [{ type: 'message', text: 'x' }, { type: 'renamed', name: 'y' }] as const) void ch.publish(data);
  await clock.pass(10_000);
  expect(names).toEqual(['y chat']);
});

describe('a loop', () => {
  async function gather(all: AsyncIterable<Publication<number>>): Promise<unknown[]> {
    const got: unknown[] = [];
    try {
      for await (const p of all) {
        got.push(p.data);
        if (p.data === 3) break;
      }
      got.push('end');
    } catch (e) {
      got.push(e instanceof Error ? e.name : e);
    }
    return got;
  }

  test('has each publication from where it was made on, and gives the channel up when it is left', async () => {
    const { clock, server, client } = scene();
    const ch = client().channel<number>('n');
    const got = gather(ch);
    await clock.pass(1_000);
    expect(ch.subscribed).toBe(true);
    for (const n of [1, 2, 3, 4]) server.publish('n', n);
    await clock.pass(2_000);
    expect(await got).toEqual([1, 2, 3, 'end']);
    expect(ch.subscribed).toBe(false);
  });

  test('ends with an abort, with the subscription, and with one error when too much waits', async () => {
    const { clock, server, client } = scene();
    const ch = client().channel<number>('n');
    const cut = new AbortController();
    const [aborted, ended] = [gather(ch.iterate('publication', { signal: cut.signal })), gather(ch)];
    const full = ch.iterate('publication', { most: 2 });
    await clock.pass(1_000);
    for (const n of [5, 6, 7]) server.publish('n', n);
    await clock.pass(2_000);
    cut.abort();
    ch.unsubscribe();
    expect(await gather(full)).toEqual([5, 6, 'overflow']);
    expect((await full.next()).done).toBe(true);
    expect(await ended).toEqual([5, 6, 7, 'end']);
    expect(await aborted).toEqual([5, 6, 7, 'end']);
    expect(await gather(ch.iterate('publication', { signal: AbortSignal.abort() }))).toEqual(['end']);
  });
});

describe('an abort', () => {
  test('ends listening and holding', async () => {
    const { clock, server, client } = scene();
    const ch = client().channel('n');
    const cut = new AbortController();
    const got: unknown[] = [];
    ch.subscribe({ signal: cut.signal });
    ch.on('publication', (p) => got.push(p.data), { signal: cut.signal });
    ch.on('publication', (p) => got.push(p.data), { signal: AbortSignal.abort() });
    await clock.pass(1_000);
    server.publish('n', 1);
    await clock.pass(1_000);
    cut.abort();
    await clock.pass(1_000);
    server.publish('n', 2);
    await clock.pass(1_000);
    expect([got, ch.subscribed]).toEqual([[1], false]);
  });

  test('takes back a publication that waits, and leaves one whose fate is not known to it', async () => {
    const { clock, server, network, client } = scene();
    network.blocked.set('ws', 'refuse');
    const ch = client({ transports: ['websocket'] }).channel('n');
    const cut = new AbortController();
    const outcomes: unknown[] = [];
    const note = (p: Promise<unknown>) => p.then(() => outcomes.push('stored'), (e: unknown) => outcomes.push(e));
    void note(ch.publish(1, { signal: cut.signal }));
    void note(ch.publish(2));
    void note(ch.publish(3, { signal: AbortSignal.abort('at once') }));
    await clock.pass(1_000);
    cut.abort('no more');
    network.blocked.clear();
    await clock.pass(30_000);
    expect(outcomes).toEqual(['at once', 'no more', 'stored']);
    expect(server.log('n').map((s) => s.data)).toEqual([2]);
  });

  test('ends waiting for an answer and for a connection', async () => {
    const { clock, network, client } = scene();
    network.blocked.set('ws', 'refuse');
    const c = client({ transports: ['websocket'] });
    const cut = new AbortController();
    const outcomes = [c.channel('n').history({ signal: cut.signal }), c.call('m', 1, { signal: cut.signal })].map((p) => p.catch((e: unknown) => e));
    await clock.pass(1_000);
    cut.abort('enough');
    expect(await Promise.all(outcomes)).toEqual(['enough', 'enough']);
    await expect(c.call('m', 1, { signal: cut.signal })).rejects.toBe('enough');
  });
});

test('what finds no room or no connection is told, and a full socket makes publications wait', async () => {
  const { clock, server, network, client } = scene();
  network.blocked.set('ws', 'refuse');
  const onDrop = vi.fn();
  const c = client({ transports: ['websocket'], onDrop, maxQueued: 2 });
  const ch = c.channel('n');
  ch.signal('unheard');
  for (const n of [1, 2, 3]) void ch.publish(n).catch(() => {});
  expect(onDrop.mock.calls.map(([d]) => `${d.kind} ${d.data} ${d.reason}`)).toEqual(['signal unheard offline', 'publication 3 full']);
  network.blocked.clear();
  network.buffered = 2 << 20;
  await clock.pass(30_000);
  expect(c.state.name).toBe('connected');
  expect(server.log('n')).toEqual([]);
  for (let i = 0; i < 100; i++) ch.signal(i);
  expect(onDrop).toHaveBeenCalledTimes(2 + 100 - 64);
  expect(onDrop.mock.lastCall?.[0]).toMatchObject({ kind: 'signal', channel: 'n', data: 99, reason: 'full' });
  network.buffered = 0;
  await clock.pass(30_000);
  expect(server.log('n').map((s) => s.data)).toEqual([1, 2]);
  expect(server.signals.map((s) => s.data)).toEqual(Array.from({ length: 64 }, (_, i) => i));
});
