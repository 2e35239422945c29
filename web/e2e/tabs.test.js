// The client in tabs of one browser: one socket for all, another leader when one dies, and an outbox that outlives a page.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { allHear, connected, freeze, got, launchPlain, open as openAt, state, subscribed, timed, told } from './lib/client.js';
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

const open = (context, channel, options) => openAt(context, server.url, channel, options);

test('ten tabs have one socket, and when its leader dies another has it within a second', async () => {
  const context = await browser.newContext();
  const tabs = [];
  for (let i = 0; i < 10; i++) tabs.push(await open(context, 'tabs'));
  await connected(tabs);
  await subscribed(tabs, 'tabs');
  const sockets = () => tabs.reduce((n, t) => n + t.sockets.length, 0);
  // On a busy machine a leader may have been taken for dead, and its socket is closed a moment later.
  const one = () => until(async () => sockets() === 1 && (await server.sessions()) === 1, 'all to have one socket');
  await one();
  const sent = [];
  const send = async (data) => {
    sent.push(data);
    await server.publish('tabs', data);
  };
  for (let i = 0; i < 5; i++) await send(i);

  const leader = tabs.find((t) => t.sockets.length === 1);
  tabs.splice(tabs.indexOf(leader), 1);
  const cdp = await context.newCDPSession(leader.page);
  void cdp.send('Page.crash').catch(() => {});
  const { took, may } = await timed(tabs, () => sockets() > 0, 'another socket');
  for (let i = 5; i < 10; i++) await send(i);
  await connected(tabs);
  await until(async () => (await Promise.all(tabs.map(got))).every((g) => g.length >= sent.length), 'all to hear everything');
  for (const t of tabs) {
    assert.deepEqual(await got(t), sent);
    assert.equal((await t.page.evaluate(() => window.told)).includes('reset'), false);
  }
  await one();
  assert.ok(took < may, `it took ${took} ms, and may take ${may}`);

  // One that is closed by its user leaves as quietly.
  const next = tabs.find((t) => t.sockets.length === 1);
  tabs.splice(tabs.indexOf(next), 1);
  await next.page.close();
  await send('after');
  await allHear(tabs, sent);
  await one();
});

test('a leader that is frozen is replaced within a second, and goes on with what it has missed', async () => {
  const context = await browser.newContext();
  const tabs = [await open(context, 'frozen'), await open(context, 'frozen'), await open(context, 'frozen')];
  await connected(tabs);
  await subscribed(tabs, 'frozen');
  await server.publish('frozen', 0);
  await allHear(tabs, [0]);
  const leaders = () => tabs.filter((t) => t.sockets.length === 1);
  await until(() => leaders().length === 1, 'one to lead');
  const [leader] = leaders();
  const others = tabs.filter((t) => t !== leader);
  const thaw = await freeze(context, leader);
  const meanwhile = server.publish('frozen', 1);
  const { took, may } = await timed(others, () => others.some((t) => t.sockets.length === 1), 'another socket');
  await meanwhile;
  await server.publish('frozen', 2);
  await allHear(others, [0, 1, 2]);
  assert.ok(took < may, `it took ${took} ms, and may take ${may}`);
  await thaw();
  await server.publish('frozen', 3);
  await allHear(tabs, [0, 1, 2, 3]);
  for (const t of tabs) assert.equal((await told(t)).includes('reset'), false);
  await until(async () => (await server.sessions()) === 1, 'all to have one session');
});

test('tabs that do not want to share have a socket each', async () => {
  const context = await browser.newContext();
  const tabs = [await open(context, 'apart', { tabs: false }), await open(context, 'apart', { tabs: false }), await open(context, 'apart')];
  await connected(tabs);
  await subscribed(tabs, 'apart');
  await until(async () => (await server.sessions()) === 3, 'one each, after those of the test before have gone');
  await server.publish('apart', 1);
  await allHear(tabs, [1]);
});

test('what may never be stored is told: to who waits, and after a reload by an event', async () => {
  const context = await browser.newContext();
  const token = await server.token('ann', 600, { mine: ['subscribe', 'publish'] });
  const first = await open(context, 'mine', { outbox: true, token });
  await connected([first]);
  const refused = await first.page.evaluate(() => window.client.channel('theirs').publish('now').then(() => 'stored', (e) => e.name));
  assert.equal(refused, 'forbidden');
  await server.kill();
  await until(async () => (await state(first)) !== 'connected', 'the page to notice');
  await first.page.evaluate(() => {
    void window.client.channel('theirs').publish('later').catch(() => {});
    void window.client.channel('mine').publish('mine').catch(() => {});
  });
  await until(async () => (await kept(first.page)) === 2, 'both to be kept');
  await first.page.close();
  await server.run();
  const second = await open(context, 'mine', { outbox: true, token });
  await until(async () => (await told(second)).includes('stored mine') && (await told(second)).includes('refused later'), 'the fate of both');
  assert.deepEqual(await server.kept('mine'), ['mine']);
  assert.equal(await kept(second.page), 0);
});

/** How many publications the browser keeps. */
const kept = (page) => page.evaluate(() => new Promise((done) => {
  const opening = indexedDB.open('starling', 1);
  opening.onsuccess = () => {
    const all = opening.result.transaction('outbox').objectStore('outbox').count();
    all.onsuccess = () => {
      opening.result.close();
      done(all.result);
    };
  };
}));

test('what is published while the server is away outlives the page', async () => {
  const context = await browser.newContext();
  const first = await open(context, 'outbox', { outbox: true });
  await connected([first]);
  await server.kill();
  await until(async () => (await state(first)) !== 'connected', 'the page to notice');
  await first.page.evaluate(() => {
    for (const n of [1, 2, 3]) void window.client.channel('outbox').publish(n);
  });
  await until(async () => (await kept(first.page)) === 3, 'them to be kept');
  await first.page.close();
  await server.run();
  const second = await open(context, 'outbox', { outbox: true });
  await second.page.evaluate(() => void window.client.channel('outbox').publish(4));
  await until(async () => (await got(second)).length === 4, 'all to be sent');
  assert.deepEqual(await got(second), [1, 2, 3, 4]);
  assert.deepEqual(await server.kept('outbox'), [1, 2, 3, 4], 'each is stored once');
  assert.deepEqual((await told(second)).filter((t) => t.startsWith('stored')).slice(0, 3), ['stored 1', 'stored 2', 'stored 3']);
});
