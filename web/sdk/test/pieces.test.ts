import { afterEach, describe, expect, test, vi } from 'vitest';
import { from, gather, lost, moved, nowhere, resume, seen } from '../src/cursor.js';
import { emitter } from '../src/emitter.js';
import { StarlingError } from '../src/errors.js';
import type { Publication } from '../src/protocol.js';
import { type Outlet, publisher, randomKey } from '../src/publisher.js';
import { signaller } from '../src/signaller.js';
import { subscribing } from '../src/subscription.js';
import { tokensOf } from '../src/tokens.js';
import { streamReader } from '../src/transports/sse.js';
import type { Environment } from '../src/wire.js';

const env: Environment = {
  now: () => Date.now(),
  random: () => 0.5,
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (t) => clearTimeout(t as ReturnType<typeof setTimeout>),
  WebSocket: undefined,
  fetch: () => Promise.reject(new TypeError('There is no network here.')),
};
const publication = (offset: number): Publication => ({ channel: 'c', offset, id: String(offset), data: offset, time: 0 });

afterEach(() => {
  vi.useRealTimers();
});

describe('a cursor', () => {
  test('moves along, and knows what came again', () => {
    const a = moved(nowhere, 'AA');
    const b = seen(a, 7);
    expect(b && resume(b)).toEqual({ since: 'AA', offset: 7 });
    expect(b && seen(b, 7)).toBeNull();
    expect(b && seen(moved(b, 'BB'), 6)).toBeNull();
    expect(resume(moved(b ?? nowhere, 'BB'))).toEqual({ since: 'BB' });
    expect(seen(lost('CC'), 1)).not.toBeNull();
    expect(resume(nowhere)).toEqual({});
    expect(from('AA.7')).toMatchObject({ position: 'AA', offset: 7, last: 7 });
    expect(from('AA')).toMatchObject({ position: 'AA', offset: 0 });
  });

  test('cursors are gathered, the newest first, each position once', () => {
    const old = moved(nowhere, 'OLD', 2);
    const own = seen(moved(nowhere, 'OWN'), 5) ?? nowhere;
    expect(gather(new Map([['a', old], ['b', old], ['c', own]]))).toEqual({ since: 'OWN.5,OLD', channels: ['c', 'a', 'b'] });
    // A channel without a position begins now: an old position of several must not be taken for its own.
    expect(gather(new Map([['a', old], ['new', nowhere]]))).toEqual({ since: 'OLD', channels: ['a'] });
    expect(gather(new Map([['c', own], ['new', nowhere]]))).toEqual({ since: 'OWN.5', channels: ['c', 'new'] });
    // No dot stands behind a position of several channels.
    expect(gather(new Map([['a', seen(old, 9) ?? nowhere]]))).toEqual({ since: '', channels: [] });
  });

  test('no more are gathered than a request can carry', () => {
    const many = new Map(Array.from({ length: 40 }, (_, i) => [`c${i}`, moved(nowhere, `P${i}`)] as const));
    expect(gather(many).channels).toHaveLength(32);
    const wide = new Map([['a', moved(nowhere, 'W', 20)], ['b', moved(nowhere, 'V', 20)]]);
    expect(gather(wide)).toEqual({ since: 'V', channels: ['b'] });
  });
});

describe('a subscription', () => {
  function followed() {
    const s = subscribing('c', {});
    s.wanted = true;
    const told: string[] = [];
    s.events.on('publication', (p) => told.push(String(p.offset)));
    s.events.on('subscribed', (e) => told.push(e.recovered ? 'subscribed, recovered' : 'subscribed'));
    s.events.on('recovered', () => told.push('recovered'));
    s.events.on('reset', (e) => told.push(`reset ${e.reason}`));
    return { s, told };
  }

  test('what comes before the answer waits for it', () => {
    const { s, told } = followed();
    expect(s.join({})).toEqual({ channel: 'c' });
    s.take(publication(5));
    expect(told).toEqual([]);
    s.joined('A4', false);
    expect(told).toEqual(['subscribed', '5']);
    s.detached();
    expect(s.join({})).toEqual({ channel: 'c', since: 'A4', offset: 5 });
  });

  test('it tells whether everything was there', () => {
    const { s, told } = followed();
    s.join({});
    s.joined('A', false);
    s.detached();
    s.join({});
    s.joined('A', true);
    s.detached();
    s.join({});
    s.take(publication(3)); // of a log that has begun anew
    s.joined('B', false);
    expect(told).toEqual(['subscribed', 'subscribed, recovered', 'recovered', 'subscribed', 'reset gone', '3']);
  });

  test('what comes again is not told again', () => {
    const { s, told } = followed();
    s.join({});
    s.joined('A', false);
    for (const offset of [1, 2, 2, 1, 3]) s.take(publication(offset));
    expect(told).toEqual(['subscribed', '1', '2', '3']);
    expect(s.doubles).toBe(2);
  });

  test('in a stream the first that comes tells whether something was missed', () => {
    const { s, told } = followed();
    s.opened({});
    s.moved('P1', 2);
    s.take(publication(1));
    s.detached();
    s.opened({});
    s.take(publication(2));
    s.detached();
    s.opened({});
    s.reset('P2', 'gone', 2, '');
    s.settle();
    expect(told).toEqual(['subscribed', '1', 'subscribed, recovered', 'recovered', '2', 'subscribed', 'reset gone']);
  });

  test('a position that the server cannot read is given up', () => {
    const { s, told } = followed();
    s.cursor = moved(nowhere, 'BAD');
    s.join({});
    expect(s.refused({ code: 4004, name: 'bad_position', message: '', retry: false })).toBe(true);
    expect(s.join({})).toEqual({ channel: 'c' });
    expect(told).toEqual(['reset gone']);
  });
});

describe('the emitter', () => {
  test('listeners come and go, also while they are called', () => {
    const e = emitter<{ a: number }>();
    const got: string[] = [];
    const off = e.on('a', (n) => {
      got.push(`first ${n}`);
      off();
      e.on('a', (m) => got.push(`late ${m}`));
    });
    e.on('a', (n) => got.push(`second ${n}`));
    e.emit('a', 1);
    e.emit('a', 2);
    expect(got).toEqual(['first 1', 'second 1', 'second 2', 'late 2']);
    expect([e.has(), e.has('a')]).toEqual([true, true]);
    off();
    e.clear();
    expect(e.has()).toBe(false);
  });

  test('one that throws is reported and holds nobody up', () => {
    const e = emitter<{ a: number }>();
    const got: number[] = [];
    const reported: (() => void)[] = [];
    const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((f) => void reported.push(f));
    e.on('a', () => {
      throw new Error('mine');
    });
    e.on('a', (n) => got.push(n));
    e.emit('a', 1);
    queue.mockRestore();
    expect(got).toEqual([1]);
    expect(reported).toHaveLength(1);
    expect(reported[0]).toThrow('mine');
  });
});

describe('the publisher', () => {
  const command = (channel: string, data: unknown, key = randomKey()) => ({ type: 'publish', channel, data, key }) as const;

  test('publications of a channel go out one after the other, those of others beside them', async () => {
    const sent: string[] = [];
    const answers: (() => void)[] = [];
    const outlet: Outlet = { maxMessage: 1e6, backlog: () => 0, request: (c) => new Promise((done) => { sent.push(`${c.channel} ${c.data}`); answers.push(() => done({ offset: answers.length, position: 'p' })); }) };
    const p = publisher(env, 1000, () => {});
    p.use(outlet);
    const all = [p.publish(command('a', 1)), p.publish(command('a', 2)), p.publish(command('b', 3))];
    await Promise.resolve();
    expect(sent).toEqual(['a 1', 'b 3']);
    for (const a of answers.splice(0)) a();
    await all[0];
    await vi.waitFor(() => expect(sent).toEqual(['a 1', 'b 3', 'a 2']));
    for (const a of answers) a();
    await Promise.all(all);
  });

  test('one whose fate is not known goes out again under its key', async () => {
    vi.useFakeTimers();
    const keys: unknown[] = [];
    const refuse = (code: number, name = '') => new StarlingError({ code, name, message: 'no', retry: true });
    const answers: (StarlingError | null)[] = [refuse(4301), refuse(4102), refuse(0, 'lost'), null];
    const outlet: Outlet = {
      maxMessage: 1e6, backlog: () => 0,
      request: async (c) => {
        keys.push(c.key);
        const e = answers.shift();
        if (e) throw e;
        return { offset: 1, position: 'p', duplicate: true };
      },
    };
    const p = publisher(env, 1000, () => {});
    p.use(outlet);
    const done = p.publish(command('a', 1, 'k'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(keys).toEqual(['k', 'k', 'k']); // the connection is lost, the next goes on
    p.use({ ...outlet });
    await expect(done).resolves.toEqual({ offset: 1, position: 'p', duplicate: true, key: 'k' });
    expect(keys).toHaveLength(4);
  });

  test('what cannot be JSON is rejected, and the next goes out', async () => {
    const p = publisher(env, 1000, () => {});
    p.use({ maxMessage: 1e6, backlog: () => 0, request: async () => ({ offset: 1, position: 'p' }) });
    const bad = p.publish(command('a', 1n));
    const good = p.publish(command('a', 1));
    await expect(bad).rejects.toThrow(TypeError);
    await expect(good).resolves.toMatchObject({ offset: 1 });
  });

  test('a refusal is told, and the next goes out; what is given up is told as well', async () => {
    const outlet: Outlet = {
      maxMessage: 200, backlog: () => 0,
      request: async (c) => {
        if (c.data === 'bad') throw new StarlingError({ code: 4101, name: 'forbidden', message: 'no', retry: false });
        return { offset: 1, position: 'p' };
      },
    };
    const p = publisher(env, 1000, () => {});
    p.use(outlet);
    const [bad, large, good] = [p.publish(command('a', 'bad')), p.publish(command('a', 'x'.repeat(300))), p.publish(command('a', 'good'))];
    await expect(bad).rejects.toMatchObject({ code: 4101 });
    await expect(large).rejects.toMatchObject({ code: 4005 });
    await expect(good).resolves.toMatchObject({ duplicate: false });
    p.use(null);
    const waiting = p.publish(command('a', 'later'));
    p.abandon(new StarlingError({ code: 0, name: 'disconnected', message: '', retry: false }));
    await expect(waiting).rejects.toMatchObject({ name: 'disconnected' });
    const many = Array.from({ length: 1001 }, (_, i) => p.publish(command('a', i)).catch((e: StarlingError) => e.name));
    await expect(many.at(-1)).resolves.toBe('overflow');
  });
});

test('of signals that wait only the newest of a key goes out, and none without a key that nobody can hear', () => {
  vi.useFakeTimers();
  const said: unknown[] = [];
  let backlog = 0;
  const s = signaller(env, () => {});
  s.signal({ type: 'signal', channel: 'c', data: 'unheard' }, '');
  for (const x of [1, 2, 3]) s.signal({ type: 'signal', channel: 'c', data: x, conflate: 'k' }, 'k');
  s.use({ backlog: () => backlog, say: (c) => said.push(c.data) });
  expect(said).toEqual([3]);
  vi.advanceTimersByTime(100);
  backlog = 1e6;
  for (const x of [4, 5, 6]) s.signal({ type: 'signal', channel: 'c', data: x }, 'k');
  expect(said).toEqual([3]);
  backlog = 0;
  vi.advanceTimersByTime(100);
  expect(said).toEqual([3, 6]);
  // A pointer that moves a thousand times a second does not drown the server.
  for (let x = 0; x < 1000; x++) {
    s.signal({ type: 'signal', channel: 'c', data: x, conflate: 'k' }, 'k');
    vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(100);
  expect(said.length).toBeLessThan(60);
  expect(said.at(-1)).toBe(999);
});

describe('tokens', () => {
  test('however many want one, it is asked for once, and kept until shortly before its end', async () => {
    vi.useFakeTimers();
    const reasons: string[] = [];
    const t = tokensOf(({ reason }) => `t${reasons.push(reason)}`, env);
    expect(await Promise.all([t.fresh('connect'), t.fresh('connect'), t.renew('expiring')])).toEqual(['t1', 't1', 't1']);
    t.expires(60_000);
    expect(await t.fresh('connect')).toBe('t1');
    vi.setSystemTime(Date.now() + 56_000);
    expect(await t.fresh('connect')).toBe('t2');
    expect(await t.fresh('refused')).toBe('t3');
    expect(reasons).toEqual(['connect', 'expired', 'refused']);
  });

  test('a callback that fails is asked again the next time', async () => {
    let n = 0;
    const t = tokensOf(() => {
      if (++n === 1) throw new Error('no network');
      return n === 2 ? '' : 'good';
    }, env);
    await expect(t.fresh('connect')).rejects.toMatchObject({ name: 'token', message: /no network/ });
    await expect(t.fresh('connect')).rejects.toMatchObject({ name: 'token' });
    await expect(t.fresh('connect')).resolves.toBe('good');
    expect(tokensOf('fixed', env).renewable).toBe(false);
  });
});

test.each([1, 2, 3, 7, 1000])('an event stream is read in pieces of %i characters', (size) => {
  const text = 'retry: 1500\r\n\r\n: a comment\n\nid: P1\nevent: session\ndata: {"a":1}\n\ndata: one\ndata:two\rdata\n\n\r\nevent: none\n\nid: P2\r\ndata: x\r\n\r\n';
  const reader = streamReader();
  const events = [];
  for (let i = 0; i < text.length; i += size) events.push(...reader.take(text.slice(i, i + size)));
  expect(events).toEqual([
    { name: 'session', id: 'P1', data: '{"a":1}' },
    { name: 'message', id: '', data: 'one\ntwo\n' },
    { name: 'message', id: 'P2', data: 'x' },
  ]);
  expect(reader.retry).toBe(1500);
});
