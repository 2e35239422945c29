// A page that was away: put away, frozen, without a network, or with a token that has ended.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { allHear, connected, freeze, launchPlain, measure, open as openAt, state, subscribed, told } from './lib/client.js';
import { Server, until } from './lib/server.js';

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

/** A client that is live, and has heard one publication. */
async function open(context, channel, options) {
  const tab = await openAt(context, server.url, channel, options);
  await subscribed([tab], channel);
  await server.publish(channel, 'before');
  await allHear([tab], ['before']);
  return tab;
}

/** The page is live again within a second, measured from the event on; on a busy machine nothing is faster than a question to the server. */
async function liveAgain(tab) {
  const { live, slowest } = await until(() => tab.page.evaluate(() => window.slowest && { live: window.live, slowest: window.slowest }), 'the page to be live');
  assert.ok(live < 1_000 + 3 * slowest, `it took ${live} ms, the slowest question ${slowest}`);
}

test('a page that is put away is kept by the browser, and is live again when it comes back', async () => {
  const context = await browser.newContext();
  const tab = await open(context, 'put-away');
  await measure(tab.page, 'window', 'pageshow');
  await tab.page.evaluate(() => window.addEventListener('pageshow', (e) => {
    window.persisted = e.persisted;
  }));
  await tab.page.goto(`${server.url}/sdk/react.d.ts`);
  await server.publish('put-away', 'meanwhile');
  await tab.page.goBack({ waitUntil: 'commit' });
  const reasons = await tab.page.evaluate(() => performance.getEntriesByType('navigation')[0].notRestoredReasons);
  const persisted = await until(() => tab.page.evaluate(() => String(window.persisted ?? '')), 'the page to be shown');
  assert.equal(persisted, 'true', `it was not kept: ${JSON.stringify(reasons)}`);
  assert.equal(reasons, null);
  await allHear([tab], ['before', 'meanwhile']);
  await liveAgain(tab);
});

for (const tabs of [true, false]) {
  test(`a frozen page gives its connection up, and is live again when it is thawed: ${tabs ? 'shared' : 'alone'}`, async () => {
    const context = await browser.newContext();
    const channel = `thawed-${tabs}`;
    const tab = await open(context, channel, { tabs });
    await measure(tab.page, 'document', 'resume');
    const thaw = await freeze(context, tab);
    await until(async () => (await server.sessions()) === 0, 'the session to end');
    await server.publish(channel, 'meanwhile');
    await thaw();
    await allHear([tab], ['before', 'meanwhile']);
    await liveAgain(tab);
  });
}

test('a page whose network comes back is live again at once', async () => {
  const context = await browser.newContext();
  const tab = await open(context, 'network', { transports: ['sse'] }); // Chromium's offline leaves WebSockets that are open
  await context.setOffline(true);
  await until(async () => (await state(tab)) !== 'connected', 'the page to notice');
  await server.publish('network', 'meanwhile');
  await measure(tab.page, 'window', 'online');
  await context.setOffline(false);
  await allHear([tab], ['before', 'meanwhile']);
  await liveAgain(tab);
});

test('a token that has ended in a frozen page is replaced once, before the server is asked', async () => {
  const context = await browser.newContext();
  const asked = [];
  const getToken = (reason) => {
    asked.push(reason);
    return server.token('ann', asked.length === 1 ? 600 : 3_600);
  };
  const tab = await open(context, 'ended', { getToken });
  // It is frozen for longer than its token holds, by the time of the day, which is all that it can tell that by.
  await tab.page.evaluate(() => {
    const { now } = Date;
    document.addEventListener('freeze', () => {
      Date.now = () => now() + 700_000;
    }, { once: true });
  });
  const thaw = await freeze(context, tab);
  assert.deepEqual(asked, ['connect']);
  await server.publish('ended', 'meanwhile');
  await thaw();
  await allHear([tab], ['before', 'meanwhile']);
  await connected([tab]);
  assert.deepEqual(asked, ['connect', 'expired']);
  assert.deepEqual((await told(tab)).filter((t) => !['connecting', 'connected', 'disconnected'].includes(t)), [], 'nothing went wrong');
});
