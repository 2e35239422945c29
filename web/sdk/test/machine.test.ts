import { describe, expect, test } from 'vitest';
import { delay, LONGEST, SHORTEST } from '../src/backoff.js';
import { type Effect, type End, type Happening, HELD, type Machine, machine, reduce, told, UPGRADE } from '../src/machine.js';

const LADDER = ['websocket', 'sse', 'poll'] as const;
const end = (kind: End['kind'], more: Partial<End> = {}): End => ({ kind, code: 0, message: kind, retry: true, ...more });

/** Lets events happen to a machine, and shows what was to be done at last. */
class Play {
  now = 1_000_000;
  effects: Effect[] = [];
  constructor(public m: Machine = machine(LADDER, false, null)) {}
  do(...events: Happening[]): this {
    for (const e of events) [this.m, this.effects] = reduce(this.m, e, { now: this.now, random: () => 0.5 });
    return this;
  }
  later(ms: number): this {
    this.now += ms;
    return this;
  }
  get state() {
    return told(this.m);
  }
  /** What was to be done, in short. */
  get done(): string[] {
    return this.effects.map((e) => {
      if (e.do === 'open') return `open ${e.id} ${e.transport}`;
      if (e.do === 'close' || e.do === 'live') return `${e.do} ${e.id}`;
      if (e.do === 'timer') return `${e.type} in ${e.ms}`;
      if (e.do === 'remember') return `remember ${e.transport}`;
      return e.do === 'authorize' ? `authorize ${e.reason}` : e.do;
    });
  }
}

const connected = (m?: Machine) => new Play(m).do({ type: 'connect' }, { type: 'opened', id: 1, session: 's' });

describe('the ladder', () => {
  test('the first transport that opens is used and remembered', () => {
    const p = connected();
    expect(p.done).toEqual(['cancel', 'live 1', 'remember websocket']);
    expect(p.state).toEqual({ name: 'connected', transport: 'websocket', session: 's' });
  });

  test('one that fails is followed by the next at once', () => {
    const p = new Play().do({ type: 'connect' }, { type: 'ended', id: 1, end: end('unreachable') });
    expect(p.done).toEqual(['close 1', 'open 2 sse']);
    p.do({ type: 'ended', id: 2, end: end('unreachable') });
    expect(p.done).toEqual(['close 2', 'open 3 poll']);
    p.do({ type: 'ended', id: 3, end: end('unreachable') });
    expect(p.state).toMatchObject({ name: 'waiting', attempt: 1, reason: { kind: 'unreachable' } });
  });

  test('one that is slow is joined by the next, and whichever opens first is used', () => {
    const p = new Play().do({ type: 'connect' }, { type: 'slow', id: 1 });
    expect(p.done).toEqual(['open 2 sse']);
    p.do({ type: 'slow', id: 1 });
    expect(p.done).toEqual([]);
    p.do({ type: 'opened', id: 1, session: 's' });
    expect(p.done).toEqual(['cancel', 'close 2', 'live 1', 'remember websocket']);
  });

  test('a slow one that fails later leaves the others alone', () => {
    const p = new Play().do({ type: 'connect' }, { type: 'slow', id: 1 }, { type: 'ended', id: 1, end: end('unreachable') });
    expect(p.done).toEqual(['close 1']);
    expect(p.state).toMatchObject({ name: 'connecting', transport: 'sse' });
  });

  test('it begins with what has worked, and with all when that does not', () => {
    const p = new Play(machine(LADDER, false, 'poll')).do({ type: 'connect' });
    expect(p.done).toEqual(['cancel', 'open 1 poll']);
    p.do({ type: 'ended', id: 1, end: end('unreachable') });
    expect(p.done).toContain('remember null');
    p.do({ type: 'due' });
    expect(p.done).toEqual(['cancel', 'open 2 websocket']);
  });

  test('from a lower rung the higher ones are tried again, beside it', () => {
    const p = connected(machine(LADDER, false, 'sse'));
    expect(p.done).toContain(`upgrade in ${UPGRADE}`);
    p.do({ type: 'upgrade' });
    expect(p.done).toEqual(['open 2 websocket']);
    p.do({ type: 'ended', id: 2, end: end('unreachable') });
    expect(p.done).toEqual(['close 2', `upgrade in ${2 * UPGRADE}`]);
    expect(p.state).toMatchObject({ name: 'connected', transport: 'sse' });
    p.do({ type: 'upgrade' }, { type: 'opened', id: 3, session: 't' });
    expect(p.done).toEqual(['cancel', 'close 1', 'live 3', 'remember websocket']);
    expect(p.state).toEqual({ name: 'connected', transport: 'websocket', session: 't' });
  });

  test('a transport that is cut as soon as it is open gives way to the next', () => {
    const p = connected().later(100).do({ type: 'ended', id: 1, end: end('lost') }, { type: 'due' });
    expect(p.done).toEqual(['cancel', 'open 2 sse']);
  });

  test('other transports can be chosen while it runs', () => {
    const p = connected().do({ type: 'use', ladder: ['poll'] });
    expect(p.done).toEqual(['cancel', 'close 1', 'open 2 poll']);
    p.do({ type: 'ended', id: 2, end: end('unreachable') });
    expect(p.state).toMatchObject({ name: 'waiting' });
  });
});

describe('coming back', () => {
  test('a connection that held is followed by a short wait, one that did not by a longer', () => {
    const p = connected().later(HELD).do({ type: 'ended', id: 1, end: end('lost') });
    expect(p.state).toMatchObject({ name: 'waiting', attempt: 1, retryIn: 750, retryAt: p.now + 750 });
    p.do({ type: 'due' }, { type: 'opened', id: 2, session: 's' }, { type: 'ended', id: 2, end: end('lost') });
    expect(p.state).toMatchObject({ name: 'waiting', attempt: 2, retryIn: 1250 });
  });

  test('the server is obeyed that says when to come back', () => {
    const p = connected().do({ type: 'ended', id: 1, end: end('draining', { after: 4321 }) });
    expect(p.done).toContain('due in 4321');
    const q = connected().do({ type: 'ended', id: 1, end: end('refused', { code: 4102, after: 9000 }) });
    expect(q.done).toContain('due in 9000');
  });

  test('the wait grows to 20 s and is drawn at random', () => {
    for (const failures of [1, 2, 5, 50]) {
      expect(delay(failures, () => 0)).toBe(SHORTEST);
      expect(delay(failures, () => 0.999999)).toBeLessThanOrEqual(LONGEST);
    }
    expect([1, 2, 3, 6, 50].map((n) => delay(n, () => 1))).toEqual([1000, 2000, 4000, 20_000, 20_000]);
  });

  test('a silence is not waited after', () => {
    expect(connected().later(HELD).do({ type: 'ended', id: 1, end: end('silent') }).done).toEqual(['cancel', 'close 1', 'open 2 websocket']);
  });

  test('waking up ends the wait, and checks what is there', () => {
    const p = connected().do({ type: 'ended', id: 1, end: end('lost') }, { type: 'wake', anew: false });
    expect(p.done).toEqual(['cancel', 'open 2 sse']);
    expect(connected().do({ type: 'wake', anew: false }).done).toEqual(['check']);
    expect(connected().do({ type: 'offline' }).done).toEqual(['check']);
  });

  test('after a sleep nothing that is open is trusted', () => {
    expect(connected().do({ type: 'wake', anew: true }).done).toEqual(['cancel', 'close 1', 'open 2 websocket']);
    expect(new Play().do({ type: 'connect' }, { type: 'wake', anew: true }).done).toEqual(['cancel', 'close 1', 'open 2 websocket']);
  });

  test('a page that is put away lets go, and comes back with it', () => {
    const p = connected().do({ type: 'suspend' });
    expect(p.done).toEqual(['cancel', 'close 1']);
    expect(p.state).toEqual({ name: 'disconnected', reason: 'page hidden' });
    expect(p.do({ type: 'wake', anew: false }).done).toEqual([]);
    expect(p.do({ type: 'resume' }).done).toEqual(['cancel', 'open 2 websocket']);
  });
});

describe('staying away', () => {
  const everything: Happening[] = [
    { type: 'wake', anew: false }, { type: 'resume' }, { type: 'suspend' }, { type: 'offline' }, { type: 'due' }, { type: 'upgrade' }, { type: 'authorized' },
    { type: 'slow', id: 1 }, { type: 'opened', id: 1, session: 's' }, { type: 'ended', id: 1, end: end('lost') }, { type: 'use', ladder: ['poll'] },
  ];

  test.each([
    ['never connected', new Play()],
    ['told to disconnect', connected().do({ type: 'disconnect' })],
    ['told to disconnect while connecting', new Play().do({ type: 'connect' }, { type: 'disconnect' })],
    ['told to disconnect while waiting', connected().do({ type: 'ended', id: 1, end: end('lost') }, { type: 'disconnect' })],
    ['refused for good', new Play().do({ type: 'connect' }, { type: 'ended', id: 1, end: end('refused', { code: 4101, retry: false }) })],
  ])('nothing but connect makes it connect: %s', (_, p) => {
    const { name } = p.state;
    for (const e of everything) expect(p.do(e).done).toEqual([]);
    expect(p.state.name).toBe(name);
    expect(p.do({ type: 'connect' }).done.at(-1)).toMatch(/^open/);
  });

  test('a refusal for good says why, and its wires are closed', () => {
    const p = new Play().do({ type: 'connect' }, { type: 'slow', id: 1 }, { type: 'ended', id: 2, end: end('refused', { code: 4104, retry: false, message: 'Not from here.' }) });
    expect(p.done).toEqual(['cancel', 'close 1', 'close 2']);
    expect(p.state).toEqual({ name: 'failed', code: 4104, reason: { kind: 'refused', code: 4104, message: 'Not from here.' } });
  });
});

describe('tokens', () => {
  const renewable = machine(LADDER, true, null);

  test('a token comes first', () => {
    const p = new Play(renewable).do({ type: 'connect' });
    expect(p.done).toEqual(['cancel', 'authorize connect']);
    expect(p.state).toMatchObject({ name: 'connecting', transport: null });
    expect(p.do({ type: 'authorized' }).done).toEqual(['cancel', 'open 1 websocket']);
  });

  test('one that cannot be had is asked for again, later', () => {
    const p = new Play(renewable).do({ type: 'connect' }, { type: 'unauthorized', message: 'no' });
    expect(p.state).toMatchObject({ name: 'waiting', reason: { kind: 'token', message: 'no' } });
    expect(p.do({ type: 'due' }).done).toContain('authorize connect');
  });

  test.each([[4107, 'expired'], [4100, 'refused']])('%i asks for a new one once', (code, why) => {
    const refused = (id: number): Happening => ({ type: 'ended', id, end: end('refused', { code, retry: code === 4107 }) });
    const p = new Play(renewable).do({ type: 'connect' }, { type: 'authorized' }, refused(1));
    expect(p.done).toContain(`authorize ${why}`);
    p.do({ type: 'authorized' }, refused(2));
    expect(p.state).toMatchObject(code === 4107 ? { name: 'waiting' } : { name: 'failed', code: 4100 });
  });

  test('without a callback an expired token is the end', () => {
    const p = connected().do({ type: 'ended', id: 1, end: end('refused', { code: 4107 }) });
    expect(p.state).toMatchObject({ name: 'failed', code: 4107 });
  });

  test('after a session that held, another may be asked for', () => {
    const expired = (id: number): Happening => ({ type: 'ended', id, end: end('refused', { code: 4107 }) });
    const p = new Play(renewable).do({ type: 'connect' }, { type: 'authorized' }, expired(1), { type: 'authorized' }, { type: 'opened', id: 2, session: 's' });
    expect(p.later(HELD).do(expired(2)).done).toContain('authorize expired');
  });
});

test('positions that the server cannot read are given up once', () => {
  const bad = (id: number): Happening => ({ type: 'ended', id, end: end('refused', { code: 4004, retry: false }) });
  const p = new Play().do({ type: 'connect' }, bad(1));
  expect(p.done).toEqual(['forget', 'cancel', 'close 1', 'open 2 websocket']);
  expect(p.do(bad(2)).state).toMatchObject({ name: 'failed', code: 4004 });
});

test('random events from a seed leave no wire behind', () => {
  for (let seed = 1; seed <= 300; seed++) {
    let x = seed;
    const random = () => {
      x = (x * 48271) % 2147483647;
      return x / 2147483647;
    };
    const p = new Play(machine(LADDER, seed % 2 === 0, null));
    const open = new Set<number>();
    const kinds: End[] = [end('lost'), end('unreachable'), end('silent'), end('draining', { after: 5 }), end('refused', { code: 4107 }), end('refused', { code: 4101, retry: false }), end('refused', { code: 4004, retry: false })];
    for (let i = 0; i < 200; i++) {
      const id = [...open][Math.floor(random() * open.size)] ?? p.m.serial;
      const all: Happening[] = [
        { type: 'connect' }, { type: 'disconnect' }, { type: 'suspend' }, { type: 'resume' }, { type: 'authorized' }, { type: 'unauthorized', message: '' },
        { type: 'opened', id, session: 's' }, { type: 'ended', id, end: kinds[Math.floor(random() * kinds.length)] ?? end('lost') }, { type: 'slow', id },
        { type: 'due' }, { type: 'upgrade' }, { type: 'wake', anew: random() < 0.5 }, { type: 'offline' }, { type: 'use', ladder: random() < 0.5 ? LADDER : ['poll'] },
      ];
      const e = all[Math.floor(random() * all.length)] ?? { type: 'wake', anew: false };
      p.later(random() * 10_000).do(e);
      if (e.type === 'ended') open.delete(e.id); // it has ended itself
      for (const f of p.effects) {
        if (f.do === 'open') open.add(f.id);
        if (f.do === 'close') open.delete(f.id);
      }
      const { link, tries } = p.m;
      const known = [...(link.name === 'connected' ? [link.live] : []), ...tries].map((w) => w.id);
      if (open.size !== known.length || known.some((k) => !open.has(k))) expect([...open], `seed ${seed}, event ${i}: ${JSON.stringify(e)} in ${link.name}`).toEqual(known);
    }
  }
});
