// Each transport is blocked in turn, as proxies do it; harm is done on purpose; and more is sent than goes out.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { allHear, connected, got, launchPlain, open, subscribed, told, transport } from './lib/client.js';
import { badProxy, Server, until } from './lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchPlain()]);
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
});
after(async () => {
  await browser.close();
  await server.stop();
});

const cases = [
  { what: 'WebSockets are refused', fate: { websocket: 'refuse' }, over: 'sse' },
  { what: 'WebSockets are not answered', fate: { websocket: 'hang' }, over: 'sse' },
  { what: 'WebSockets are closed after the first frame', fate: { websocket: 'cut' }, over: 'sse' },
  { what: 'WebSockets are refused and streams are held back', fate: { websocket: 'refuse', sse: 'buffer' }, over: 'poll' },
  { what: 'WebSockets and streams are refused', fate: { websocket: 'refuse', sse: 'refuse' }, over: 'poll' },
  { what: 'polls are refused', fate: { poll: 'refuse' }, over: 'sse', transports: ['poll', 'sse'] },
];
for (const [i, { what, fate, over, transports }] of cases.entries()) {
  test(`where ${what} it goes on over ${over}, and over the best again when that is free`, async () => {
    const proxy = await badProxy(server.url, fate);
    const context = await browser.newContext();
    const channel = `blocked-${i}`;
    const tab = await open(context, proxy.url, channel, { tabs: false, ...(transports && { transports }) });
    await until(async () => (await transport(tab)) === over, `it to be connected over ${over}`);
    await subscribed([tab], channel);
    await server.publish(channel, 1);
    await tab.page.evaluate((name) => window.client.channel(name).publish(2), channel);
    await allHear([tab], [1, 2]);
    for (const door of Object.keys(fate)) fate[door] = 'pass';
    const best = transports?.[0] ?? 'websocket';
    await tab.page.evaluate((ladder) => window.client.use(ladder), transports ?? ['websocket', 'sse', 'poll']);
    await until(async () => (await transport(tab)) === best, `it to be connected over ${best}`);
    await server.publish(channel, 3);
    await allHear([tab], [1, 2, 3]);
    assert.equal((await told(tab)).includes('reset'), false);
    await proxy.close();
  });
}

test('harm that the devtools do is overcome, and taken back with the panel', async () => {
  const context = await browser.newContext();
  const tab = await open(context, server.url, 'harmed');
  await subscribed([tab], 'harmed');
  const act = (f, ...rest) => tab.page.evaluate(([name, more]) => window.tools[name](...more), [f, rest]);
  await tab.page.evaluate(async () => {
    window.tools = await window.client.devtools();
  });
  assert.equal(await tab.page.evaluate(() => document.querySelector('starling-devtools') !== null), true);
  await connected([tab]);
  const sent = [];
  const send = async () => {
    sent.push(sent.length);
    await server.publish('harmed', sent.length - 1);
  };
  for (const harm of [['lose'], ['drop'], ['block', 'websocket', true], ['delay', 100], ['expire']]) {
    await send();
    await act(...harm);
    await send();
    if (harm[0] === 'lose') { // the answer to what the page itself says does not come either, by which it notices
      await tab.page.evaluate((n) => void window.client.channel('harmed').publish(n), sent.length);
      sent.push(sent.length);
    }
    if (harm[0] === 'block') await until(async () => (await transport(tab)) === 'sse', 'the next transport');
    if (harm[0] === 'expire') await until(async () => (await told(tab)).includes('failed'), 'the token to be at its end');
    else await allHear([tab], sent);
  }
  await tab.page.evaluate(() => {
    window.tools.close();
    window.client.connect();
  });
  await allHear([tab], sent);
  assert.equal(await tab.page.evaluate(() => document.querySelector('starling-devtools')), null);
  assert.equal((await told(tab)).includes('reset'), false);
});

test('of what is signalled faster than it goes out the newest arrives, and what is dropped is told', async () => {
  const context = await browser.newContext();
  const [from, to] = [await open(context, server.url, 'fast', { tabs: false }), await open(context, server.url, 'fast', { tabs: false })];
  await subscribed([from, to], 'fast');
  await to.page.evaluate(() => {
    window.signals = [];
    window.client.channel('fast').on('signal', (s) => window.signals.push(s.data));
  });
  const dropped = await from.page.evaluate(() => {
    const ch = window.client.channel('fast');
    for (let i = 1; i <= 10_000; i++) ch.signal(i, { conflate: 'n' });
    const before = window.dropped.length;
    for (let i = 1; i <= 1_000; i++) ch.signal(`passing ${i}`);
    return [before, window.dropped.length > 0, window.dropped[0]?.reason];
  });
  assert.deepEqual(dropped, [0, true, 'full']);
  await until(() => to.page.evaluate(() => window.signals.includes(10_000)), 'the newest');
  const heard = await to.page.evaluate(() => window.signals.filter((s) => typeof s === 'number').length);
  assert.ok(heard < 100, `${heard} of 10,000 came`);
  await server.kill();
  await until(async () => (await from.page.evaluate(() => window.client.state.name)) !== 'connected', 'the page to notice');
  const offline = await from.page.evaluate(() => {
    window.dropped.length = 0;
    window.client.channel('fast').signal('nobody hears it');
    return window.dropped.map((d) => d.reason);
  });
  assert.deepEqual(offline, ['offline']);
  assert.deepEqual(await got(to), []);
});
