// @vitest-environment happy-dom
// The hooks, in React 19 with StrictMode, over the model of a server.

import { act, createElement, type ReactElement, StrictMode, useState } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { type ChannelView, StarlingProvider, useChannel, useClient, useConnection, useHistory, usePublish, useSignal } from '../src/react/index.js';
import { scene } from './scene.js';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let root: Root;
let complaints: unknown[][];
beforeEach(() => {
  complaints = [];
  vi.spyOn(console, 'error').mockImplementation((...args) => void complaints.push(args));
  root = createRoot(document.body.appendChild(document.createElement('div')));
});
afterEach(async () => {
  await act(async () => root.unmount());
  document.body.replaceChildren();
  vi.restoreAllMocks();
});

function stage() {
  const s = scene(5);
  const client = s.client({ transports: ['websocket'] });
  const show = (element: ReactElement) => act(async () => root.render(createElement(StrictMode, null, createElement(StarlingProvider, { client }, element))));
  const pass = (ms: number) => act(async () => s.clock.pass(ms));
  const text = () => document.body.textContent;
  return { ...s, client, show, pass, text };
}

describe('useChannel', () => {
  test('follows while it is there, with one subscription, and shows the newest', async () => {
    const { server, network, show, pass, text, client } = stage();
    const commands = vi.spyOn(server, 'command');
    const subscribes = () => commands.mock.calls.filter(([, c]) => c.type === 'subscribe').length;
    function Room(): ReactElement {
      const view = useChannel<number>('a', { limit: 2 });
      expectTypeOf(view).toEqualTypeOf<ChannelView<number>>();
      return createElement('p', null, `${view.subscribed} ${view.publications.map((p) => p.data).join()}`);
    }
    await show(createElement(Room));
    await pass(2_000);
    expect([text(), subscribes()]).toEqual(['true ', 1]);
    for (const n of [1, 2, 3]) server.publish('a', n);
    await pass(2_000);
    expect(text()).toBe('true 2,3');
    await act(async () => network.cut(1));
    await pass(100);
    expect(text()).toBe('false 2,3');
    server.publish('a', 4);
    await pass(10_000);
    expect(text()).toBe('true 3,4');
    await show(createElement('p', null, 'gone'));
    await pass(2_000);
    expect([client.channel('a').subscribed, complaints]).toEqual([false, []]);
  });

  test('keeps what a selector makes, and renders for nothing else', async () => {
    const { server, show, pass, text } = stage();
    let renders = 0;
    function Even(): ReactElement {
      renders++;
      const { publications } = useChannel('a', { select: (p: { data: number }) => (p.data % 2 === 0 ? `${p.data}!` : undefined) });
      expectTypeOf(publications).toEqualTypeOf<readonly string[]>();
      return createElement('p', null, publications.join());
    }
    await show(createElement(Even));
    await pass(2_000);
    renders = 0;
    for (const n of [1, 3, 5, 7]) server.publish('a', n);
    await pass(2_000);
    expect(renders).toBe(0);
    server.publish('a', 8);
    await pass(2_000);
    expect(text()).toBe('8!');
  });

  test('follows another name, another filter, or nothing, when it is told to', async () => {
    const { server, show, pass, client } = stage();
    const wanted: unknown[] = [];
    const commands = vi.spyOn(server, 'command');
    function Room({ name, enabled, lang }: { name: string; enabled: boolean; lang: string }): ReactElement {
      return createElement('p', null, String(useChannel(name, { enabled, filter: { lang } }).subscribed));
    }
    for (const [name, enabled] of [['a', true], ['b', true], ['b', false]] as const) {
      await show(createElement(Room, { name, enabled, lang: 'en' }));
      await pass(2_000);
      wanted.push([client.channel('a').subscribed, client.channel('b').subscribed]);
    }
    expect(wanted).toEqual([[true, false], [false, true], [false, false]]);
    expect(commands.mock.calls.filter(([, c]) => c.type === 'subscribe').map(([, c]) => c.filter)).toEqual([{ lang: 'en' }, { lang: 'en' }]);
  });

  test('has the newest signal of each key', async () => {
    const { server, show, pass, text } = stage();
    function Pointers(): ReactElement {
      const { signals } = useChannel<number>('a');
      const send = useSignal<number>('a');
      return createElement('button', { type: 'button', onClick: () => send(9, { conflate: 'me' }) }, [...signals].map(([k, s]) => `${k}=${s.data}`).join());
    }
    await show(createElement(Pointers));
    await pass(2_000);
    for (const m of [{ data: 1, conflate: 'x' }, { data: 2, conflate: 'x' }, { data: 3, conflate: 'y' }, { conflate: 'y', deleted: true }]) server.tell('a', { type: 'signal', channel: 'a', time: 1, ...m });
    await pass(2_000);
    expect(text()).toBe('x=2');
    await act(async () => document.querySelector('button')?.click());
    await pass(2_000);
    expect(server.signals).toMatchObject([{ channel: 'a', data: 9, conflate: 'me' }]);
  });
});

test('useHistory reads the newest page, older ones on demand, and what comes, each once', async () => {
  const { server, show, pass, text } = stage();
  for (let n = 0; n < 12; n++) server.publish('a', n);
  function Log(): ReactElement {
    const { publications, status, more, loadMore } = useHistory<number>('a', { limit: 5 });
    return createElement('button', { type: 'button', onClick: () => void loadMore() }, `${status} ${more} ${publications.map((p) => p.data).join()}`);
  }
  await show(createElement(Log));
  expect(text()).toBe('loading false ');
  await pass(50);
  server.publish('a', 12);
  await pass(3_000);
  expect(text()).toMatch(/^ready true (7,)?8,9,10,11,12$/);
  for (let i = 0; i < 3; i++) {
    await act(async () => document.querySelector('button')?.click());
    await pass(2_000);
  }
  server.publish('a', 13);
  await pass(2_000);
  expect(text()).toBe(`ready false ${Array.from({ length: 14 }, (_, n) => n).join()}`);
});

test('usePublish tells what is under way and what was refused; useConnection what the connection is', async () => {
  const { network, show, pass, text, client } = stage();
  let renders = 0;
  let same = new Set<unknown>();
  function Form(): ReactElement {
    renders++;
    const { publish, pending, error } = usePublish<string>('a');
    same.add(publish);
    const { state } = useConnection();
    return createElement('button', { type: 'button', onClick: () => void publish('x').catch(() => {}) }, `${state.name} ${pending} ${error?.name}`);
  }
  await show(createElement(Form));
  expect(text()).toBe('idle 0 undefined');
  network.blocked.set('ws', 'refuse');
  await act(async () => document.querySelector('button')?.click());
  await pass(100);
  expect(text()).toMatch(/^(connecting|waiting) 1 undefined$/);
  network.blocked.clear();
  await pass(10_000);
  expect(text()).toBe('connected 0 undefined');
  await act(async () => client.disconnect());
  await act(async () => document.querySelector('button')?.click());
  await pass(100);
  expect(text()).toBe('disconnected 0 closed');
  same = new Set();
  renders = 0;
  await pass(10_000);
  expect([renders, same.size]).toEqual([0, 0]);
});

test('it renders on a server, without a connection, and goes on from there', async () => {
  const { network, client } = stage();
  function Page(): ReactElement {
    const [n] = useState(1);
    return createElement('p', null, useConnection().state.name, String(useChannel('a').publications.length), useHistory('a').status, String(usePublish('a').pending), String(n));
  }
  const html = renderToString(createElement(StarlingProvider, { client }, createElement(Page)));
  expect([html.replaceAll(/<[^>]*>/g, ''), network.opened]).toEqual(['idle0loading01', []]);
});

test('without a provider it says what is missing', () => {
  function Lost(): ReactElement {
    return createElement('p', null, String(useClient()));
  }
  expect(() => renderToString(createElement(Lost))).toThrow('There is no <StarlingProvider');
});
