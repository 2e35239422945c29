// @vitest-environment happy-dom
// The devtools: what they show, and that what they do to a connection loses nothing.

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ClientOptions } from '../src/index.js';
import '../src/devtools/index.js'; // so that it is there at once
import { scene } from './scene.js';

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

async function opened(options: ClientOptions = {}) {
  const s = scene(4);
  const client = s.client(options, { page: { window: new EventTarget(), document: Object.assign(new EventTarget(), { visibilityState: 'visible' }) } });
  const got: unknown[] = [];
  const states: string[] = [];
  client.channel('a').on('publication', (p) => got.push(p.data));
  await s.clock.pass(10_000);
  client.on('state', (state) => states.push(state.name === 'connected' ? state.transport : state.name));
  const tools = await client.devtools();
  await s.clock.pass(10_000);
  const root = tools.element.shadowRoot;
  const text = (selector: string) => root?.querySelector(selector)?.textContent ?? '';
  const press = (name: string) => [...(root?.querySelectorAll('button') ?? [])].find((b) => b.textContent === name || b.getAttribute('aria-label') === name)?.click();
  states.length = 0;
  return { ...s, client, tools, got, states, text, press, root };
}

test('the panel shows the state, the channels and the frames, and no tokens', async () => {
  const { clock, server, client, text, press, root } = await opened({ token: 'h.e.secret' });
  server.publish('a', 'hello');
  await clock.pass(1_000);
  client.connect();
  press('Drop connection');
  await clock.pass(10_000);
  expect(text('.state')).toBe('connected');
  expect(text('.facts')).toMatch(/^websocket · \d+ ms$/);
  await vi.waitFor(() => expect(text('tbody tr')).toMatch(/^alive\d+/), 20_000);
  expect(text('section[aria-label=Frames]')).toContain('hello');
  expect(text('section[aria-label=Frames]')).toContain('"token":"…"');
  expect(root?.innerHTML).not.toContain('secret');
  press('Close the devtools');
  expect(document.querySelector('starling-devtools')).toBeNull();
});

describe('harm', () => {
  test.each([
    ['a dropped connection', 'Drop connection', 10_000, ['websocket']],
    ['frames that are lost', 'Lose frames', 120_000, ['websocket']],
    ['a token that has ended', 'Expire token', 10_000, ['websocket']],
  ])('%s loses nothing', async (_, name, ms, after) => {
    const reasons: string[] = [];
    const { clock, server, client, got, states, press } = await opened({ getToken: ({ reason }) => {
      reasons.push(reason);
      return `t${reasons.length}`;
    } });
    press(name);
    for (const n of [1, 2]) server.publish('a', n);
    const stored = client.channel('a').publish(3);
    await clock.pass(ms);
    await stored;
    expect([...got].sort()).toEqual([1, 2, 3]);
    expect(states.slice(-1)).toEqual(after);
    expect(states.length).toBeGreaterThan(1);
    if (name === 'Expire token') expect(reasons).toEqual(['connect', 'expired']);
  });

  test('a blocked transport is gone around, and all of them are waited for', async () => {
    const { clock, server, client, got, states, tools, root } = await opened();
    const box = root?.querySelector<HTMLInputElement>('input[name=websocket]');
    if (box) box.checked = true;
    box?.dispatchEvent(new Event('change'));
    server.publish('a', 1);
    await clock.pass(20_000);
    expect([client.state, got]).toMatchObject([{ name: 'connected', transport: 'sse' }, [1]]);
    for (const t of ['sse', 'poll'] as const) tools.block(t, true);
    await clock.pass(20_000);
    expect(client.state.name).not.toBe('connected');
    tools.close();
    server.publish('a', 2);
    await clock.pass(60_000);
    expect([client.state.name, got, states.length > 3]).toEqual(['connected', [1, 2], true]);
  });

  test('a delay delays, and keeps the order', async () => {
    const { clock, server, client, got, tools } = await opened();
    tools.delay(2_000);
    for (const n of [1, 2, 3]) server.publish('a', n);
    await clock.pass(1_500);
    expect(got).toEqual([]);
    tools.delay(0);
    server.publish('a', 4);
    await clock.pass(3_000);
    expect([got, client.state.name]).toEqual([[1, 2, 3, 4], 'connected']);
  });
});
