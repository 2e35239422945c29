// A page that sleeps, is frozen, put away and brought back, or loses its network.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConnectionState } from '../src/index.js';
import { scene } from './scene.js';

/** How long a round trip takes at most in this world, and how many a new connection needs. */
const TRIP = 2 * 80;
const TRIPS = 3;

class Page extends EventTarget {
  visibilityState: 'visible' | 'hidden' = 'visible';
}
let page: Page;
let view: EventTarget;
beforeEach(() => {
  page = new Page();
  view = new EventTarget();
  vi.stubGlobal('document', page);
  vi.stubGlobal('window', view);
});
afterEach(() => vi.unstubAllGlobals());

async function talking(options: Parameters<ReturnType<typeof scene>['client']>[0] = {}) {
  const s = scene(3);
  const c = s.client(options);
  const got: unknown[] = [];
  const states: ConnectionState[] = [];
  c.on('state', (state) => states.push(state));
  c.channel('n').on('publication', (p) => got.push(p.data));
  await s.clock.pass(10_000);
  expect(c.state.name).toBe('connected');
  states.length = 0;
  return { ...s, c, got, states };
}

describe.each(['websocket', 'sse', 'poll'] as const)('over %s', (transport) => {
  /** Lets something bad happen that no close tells of, and something that is published meanwhile. */
  async function lull(what: (s: Awaited<ReturnType<typeof talking>>) => void | Promise<void>, options: object = {}) {
    const s = await talking({ transports: [transport], ...options });
    await what(s);
    const { links } = s.network;
    s.server.publish('n', 'missed');
    await s.clock.pass(1_000 + TRIPS * TRIP);
    expect(s.c.state.name).toBe('connected');
    expect(s.got).toEqual(['missed']);
    expect(s.network.links).toBeLessThanOrEqual(Math.max(links, 2));
    return s;
  }

  test.each([5_000, 30_000, 3_600_000])('after a sleep of %d ms it is live within 1 s and a round trip', async (ms) => {
    await lull(({ clock, network }) => {
      clock.now += ms;
      network.deafen();
    });
  });

  test('after the network has changed as well', async () => {
    await lull(({ network }) => {
      network.deafen();
      view.dispatchEvent(new Event('online'));
    });
  });

  test('a frozen page gives its connection up, and has it again when it is thawed', async () => {
    const s = await lull(async ({ c, clock, network }) => {
      page.visibilityState = 'hidden';
      page.dispatchEvent(new Event('freeze'));
      expect([c.state, network.links]).toEqual([{ name: 'disconnected', reason: 'page hidden' }, 0]);
      await clock.pass(600_000);
      expect(network.links).toBe(0);
      page.dispatchEvent(new Event('resume'));
    });
    expect(s.states.map((x) => x.name)).toEqual(['disconnected', 'connecting', 'connected']);
  });

  test('so does a page that is put away and comes back', async () => {
    await lull(async ({ c, clock, network }) => {
      view.dispatchEvent(Object.assign(new Event('pagehide'), { persisted: true }));
      page.dispatchEvent(new Event('freeze'));
      await clock.pass(600_000);
      expect([c.state.name, network.links]).toEqual(['disconnected', 0]);
      page.dispatchEvent(new Event('resume'));
      view.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    });
  });

  test('a token that has ended meanwhile is renewed once, before the attempt', async () => {
    const reasons: string[] = [];
    const s = await lull(({ server, clock }) => {
      server.expires = 0;
      clock.now += 3_600_000;
      page.dispatchEvent(new Event('visibilitychange'));
      view.dispatchEvent(new Event('online'));
    }, {
      getToken: ({ reason }: { reason: string }) => {
        reasons.push(reason);
        return `t${reasons.length}`;
      },
    });
    expect(reasons).toEqual(['connect', 'expired']);
    expect(s.states.filter((x) => x.name === 'waiting')).toEqual([]);
  });

  test('nothing connects after disconnect', async () => {
    const s = await talking({ transports: [transport] });
    s.c.disconnect();
    s.clock.now += 3_600_000;
    for (const name of ['visibilitychange', 'resume', 'freeze']) page.dispatchEvent(new Event(name));
    for (const name of ['online', 'pageshow', 'pagehide', 'pageshow']) view.dispatchEvent(new Event(name));
    await s.clock.pass(60_000);
    expect([s.c.state, s.network.links]).toEqual([{ name: 'disconnected', reason: 'asked' }, 0]);
  });
});

test('a hidden page whose timers are held back has its connection looked at, not replaced', async () => {
  const s = await talking();
  page.visibilityState = 'hidden';
  for (let i = 0; i < 10; i++) {
    await s.clock.pass(1_500);
    s.clock.now += 20_000;
  }
  expect(s.states).toEqual([]);
});

test('a page that is looked at again does not wait for the next attempt, and finds out about a dead connection', async () => {
  const s = await talking();
  s.network.deafen();
  page.dispatchEvent(new Event('visibilitychange'));
  await s.clock.pass(1_000 + TRIPS * TRIP);
  expect(s.states.map((x) => x.name)).toEqual(['connecting', 'connected']);
  s.server.up = false;
  s.server.endAll(0);
  await s.clock.pass(60_000);
  expect(s.c.state).toMatchObject({ name: 'waiting' });
  s.server.up = true;
  page.dispatchEvent(new Event('visibilitychange'));
  await s.clock.pass(TRIPS * TRIP);
  expect(s.c.state.name).toBe('connected');
});

test('no handler keeps the page from the back-forward cache', async () => {
  const names: string[] = [];
  for (const target of [page, view]) vi.spyOn(target, 'addEventListener').mockImplementation((name) => void names.push(name));
  await talking();
  expect(names).toContain('pagehide');
  expect(names.filter((n) => /unload/.test(n))).toEqual([]);
});

test('a network that goes while a request is under way is found out about when the request is answered', async () => {
  const out: string[] = [];
  const s = await talking({ transports: ['sse'], onFrame: (f) => void (f.direction === 'out' && out.push(f.kind)) });
  out.length = 0;
  const stored = s.c.channel('n').publish('on its way');
  await s.clock.pass(0);
  view.dispatchEvent(new Event('offline'));
  expect(out).toEqual(['publish']);
  await s.clock.pass(TRIPS * TRIP);
  await stored;
  expect(out).toEqual(['publish', 'ping']);
});
