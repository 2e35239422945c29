// The client in tabs of one browser: one socket for all, another leader when one dies, an outbox that outlives
// a page, and a page that is put away and comes back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { executablePath, FLAGS } from './lib/browser.js';
import { Server, until } from './lib/server.js';

let server;
let browser;
before(async () => {
  server = await Server.start();
  // Playwright keeps pages from the back-forward cache unless it is told not to.
  browser = await chromium.launch({ executablePath, args: FLAGS, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
});
after(async () => {
  await browser.close();
  await server.stop();
});

/** Opens a tab with a client in it that follows a channel. */
async function open(context, channel, options = {}) {
  const page = await context.newPage();
  const sockets = [];
  page.on('websocket', (ws) => {
    sockets.push(ws);
    ws.on('close', () => sockets.splice(sockets.indexOf(ws), 1));
  });
  await page.goto(`${server.url}/sdk/starling.d.ts`); // of the server's origin, and may be kept by the browser
  await begin(page, channel, options);
  return { page, sockets };
}

const begin = (page, channel, options) => page.evaluate(async ([name, more]) => {
  const { createClient } = await import('/sdk/starling.js');
  const client = createClient(more);
  window.client = client;
  window.got = [];
  window.told = [];
  const ch = client.channel(name);
  ch.on('publication', (p) => window.got.push(p.data));
  ch.on('reset', () => window.told.push('reset'));
  client.on('state', (s) => window.told.push(s.name));
  client.on('outbox', (e) => window.told.push(`${e.outcome} ${e.data}`));
}, [channel, options]);

const state = ({ page }) => page.evaluate(() => window.client.state.name);
const got = ({ page }) => page.evaluate(() => window.got);
const connected = (tabs) => until(async () => (await Promise.all(tabs.map(state))).every((s) => s === 'connected'), 'all tabs to be connected');
const subscribed = (tabs, name) => until(async () => (await Promise.all(tabs.map(({ page }) => page.evaluate((n) => window.client.channel(n).subscribed, name)))).every(Boolean), 'all tabs to be subscribed');

test('ten tabs have one socket, and when its leader dies another has it within a second', async () => {
  const context = await browser.newContext();
  const tabs = [];
  for (let i = 0; i < 10; i++) tabs.push(await open(context, 'tabs'));
  await connected(tabs);
  await subscribed(tabs, 'tabs');
  const sockets = () => tabs.reduce((n, t) => n + t.sockets.length, 0);
  assert.equal(sockets(), 1);
  const sent = [];
  const send = async (data) => {
    sent.push(data);
    await server.publish('tabs', data);
  };
  for (let i = 0; i < 5; i++) await send(i);

  const leader = tabs.find((t) => t.sockets.length === 1);
  tabs.splice(tabs.indexOf(leader), 1);
  const cdp = await context.newCDPSession(leader.page);
  const killed = Date.now();
  void cdp.send('Page.crash').catch(() => {});
  await until(() => sockets() > 0, 'another socket');
  const replaced = Date.now() - killed;
  for (let i = 5; i < 10; i++) await send(i);
  await connected(tabs);
  await until(async () => (await Promise.all(tabs.map(got))).every((g) => g.length >= sent.length), 'all to hear everything');
  for (const t of tabs) {
    assert.deepEqual(await got(t), sent);
    assert.equal((await t.page.evaluate(() => window.told)).includes('reset'), false);
  }
  assert.equal(sockets(), 1);
  assert.ok(replaced < 1_000, `it took ${replaced} ms`);

  // One that is closed by its user leaves as quietly.
  const next = tabs.find((t) => t.sockets.length === 1);
  tabs.splice(tabs.indexOf(next), 1);
  await next.page.close();
  await send('after');
  await until(async () => (await Promise.all(tabs.map(got))).every((g) => g.at(-1) === 'after'), 'the rest to hear it');
  for (const t of tabs) assert.deepEqual(await got(t), sent);
  assert.equal(sockets(), 1);
  await context.close();
});

test('what is published while the server is away outlives the page', async () => {
  const context = await browser.newContext();
  const first = await open(context, 'outbox', { outbox: true });
  await connected([first]);
  await server.kill();
  await until(async () => (await state(first)) !== 'connected', 'the page to notice');
  await first.page.evaluate(() => {
    for (const n of [1, 2, 3]) void window.client.channel('outbox').publish(n);
  });
  const kept = () => first.page.evaluate(() => new Promise((done) => {
    const opening = indexedDB.open('starling', 1);
    opening.onsuccess = () => {
      const all = opening.result.transaction('outbox').objectStore('outbox').count();
      all.onsuccess = () => {
        opening.result.close();
        done(all.result);
      };
    };
  }));
  await until(async () => (await kept()) === 3, 'them to be kept');
  await first.page.close();
  await server.run();
  const second = await open(context, 'outbox', { outbox: true });
  await second.page.evaluate(() => void window.client.channel('outbox').publish(4));
  await until(async () => (await got(second)).length === 4, 'all to be sent');
  assert.deepEqual(await got(second), [1, 2, 3, 4]);
  assert.deepEqual((await second.page.evaluate(() => window.told)).filter((t) => t.startsWith('stored')).slice(0, 3), ['stored 1', 'stored 2', 'stored 3']);
  await context.close();
});

test('a page that is put away is kept by the browser, and is live again when it comes back', async () => {
  const context = await browser.newContext();
  const tab = await open(context, 'put-away');
  await subscribed([tab], 'put-away');
  await server.publish('put-away', 'before');
  await until(async () => (await got(tab)).length === 1, 'the first');
  await tab.page.evaluate(() => window.addEventListener('pageshow', (e) => {
    window.persisted = e.persisted;
    window.back = performance.now();
    const off = window.client.on('state', (s) => {
      if (s.name !== 'connected') return;
      window.live = performance.now() - window.back;
      off();
    });
  }));
  await tab.page.goto(`${server.url}/sdk/react.d.ts`);
  await server.publish('put-away', 'meanwhile');
  await tab.page.goBack({ waitUntil: 'commit' });
  const reasons = await tab.page.evaluate(() => JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons));
  assert.equal(await tab.page.evaluate(() => window.persisted), true, `it was not kept: ${reasons}`);
  await until(async () => (await got(tab)).length === 2, 'what was missed');
  assert.deepEqual(await got(tab), ['before', 'meanwhile']);
  const live = await tab.page.evaluate(() => window.live);
  assert.ok(live < 1_000, `it took ${live} ms`);
  await context.close();
});
