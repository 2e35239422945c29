// Two windows speak, over every transport, and switch while they do.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Window } from './lib/browser.js';
import { Server } from './lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const [a, b] of [['websocket', 'websocket'], ['sse', 'sse'], ['poll', 'poll'], ['websocket', 'poll'], ['sse', 'websocket'], ['poll', 'sse']]) {
  test(`what is written in one window appears in the other: ${a} and ${b}`, async () => {
    const channel = `talk-${a}-${b}`;
    const one = await Window.open(browser, server.url, { channel, transport: a });
    const other = await Window.open(browser, server.url, { channel, transport: b });
    await Promise.all([one.state('live'), other.state('live')]);
    await one.say('from one');
    await other.stored(1);
    await other.say('from the other');
    const want = ['from one', 'from the other'];
    assert.deepEqual(await one.stored(2), want);
    assert.deepEqual(await other.stored(2), want);
    assert.deepEqual((await one.rows()).map((r) => r.own), [true, false]);
    assert.deepEqual((await other.rows()).map((r) => r.own), [false, true]);
    await one.close();
    await other.close();
  });
}

test('switching the transport while messages come loses and doubles nothing', async () => {
  const channel = 'switching';
  const reader = await Window.open(browser, server.url, { channel });
  await reader.state('live');
  const want = [];
  let n = 0;
  for (const transport of ['sse', 'poll', 'websocket', 'poll', 'sse', 'websocket']) {
    const writer = (async () => {
      for (let i = 0; i < 50; i++) {
        want.push(`m${want.length}`);
        await server.publish(channel, { from: 'writer', text: want.at(-1) });
      }
    })();
    await reader.stored(n + 5);
    await reader.use(transport);
    await reader.say(`own over ${transport}`);
    await writer;
    n += 51;
    await reader.stored(n);
    await reader.state('live');
  }
  const got = await reader.stored(n);
  assert.deepEqual(got, await server.texts(channel), 'the window shows what the channel keeps');
  assert.deepEqual(got.filter((t) => !t.startsWith('own')), want);
  assert.equal(got.filter((t) => t.startsWith('own')).length, 6);
  await reader.close();
});

test('a window that comes later is shown the history, in pages, and misses nothing between it and now', async () => {
  const channel = 'history';
  const want = Array.from({ length: 130 }, (_, i) => `m${i}`);
  for (const text of want.slice(0, -1)) await server.publish(channel, { from: 'w', text });
  for (const transport of ['websocket', 'sse', 'poll']) {
    const w = await Window.open(browser, server.url, { channel, transport });
    await w.stored(100);
    if (transport === 'websocket') await server.publish(channel, { from: 'w', text: want.at(-1) });
    const all = want.slice(0, 130);
    await w.page.waitForFunction((last) => document.querySelector('#messages > li:last-child .text')?.textContent === last, all.at(-1));
    await w.page.click('#earlier');
    assert.deepEqual(await w.stored(130), all);
    assert.equal(await w.page.isVisible('#earlier'), false);
    await w.close();
  }
});

test('a channel of one publication shows it', async () => {
  await server.publish('single', { from: 'w', text: 'the only one' });
  const w = await Window.open(browser, server.url, { channel: 'single' });
  assert.deepEqual(await w.stored(1), ['the only one']);
  await w.close();
});

test('another channel can be joined, and its name is checked', async () => {
  const w = await Window.open(browser, server.url, { channel: 'first' });
  await w.state('live');
  await w.say('in the first');
  await w.stored(1);
  await w.page.fill('#channel', 'not a name');
  await w.page.press('#channel', 'Enter');
  assert.match(await w.page.textContent('#channel-trouble'), /letters, digits/);
  assert.equal(await w.page.getAttribute('#channel', 'aria-invalid'), 'true');
  await w.page.fill('#channel', 'second');
  await w.page.press('#channel', 'Enter');
  await w.page.waitForFunction(() => document.querySelector('#empty')?.checkVisibility());
  assert.match(w.page.url(), /channel=second&transport=websocket/);
  await w.say('in the second');
  assert.deepEqual(await w.stored(1), ['in the second']);
  assert.deepEqual(await server.texts('first'), ['in the first']);
  await w.close();
});

test('the second window is a visitor of its own', async () => {
  const w = await Window.open(browser, server.url, { channel: 'second-window', transport: 'sse' });
  await w.state('live');
  const [popup] = await Promise.all([w.context.waitForEvent('page'), w.page.click('#second')]);
  await popup.waitForSelector('#state[data-state=live]', { state: 'attached' });
  assert.equal(popup.url(), w.page.url());
  const own = (page) => page.evaluate(() => sessionStorage.getItem('starling.window'));
  assert.notEqual(await own(popup), await own(w.page));
  await w.say('hello, second');
  await popup.waitForSelector('.message.stored:not(.own)');
  await w.close();
});

test('a message that is not acknowledged survives a reload and is stored once', async () => {
  const w = await Window.open(browser, server.url, { channel: 'reload', transport: 'sse' });
  await w.state('live');
  await w.page.route('**/send*', (route) => route.abort());
  await w.say('before the reload');
  await w.page.waitForSelector('.message.waiting');
  await w.page.unroute('**/send*');
  await w.page.reload();
  assert.deepEqual(await w.stored(1), ['before the reload']);
  assert.equal((await w.rows())[0].own, true);
  assert.deepEqual(await server.texts('reload'), ['before the reload']);
  await w.close({ outage: true });
});

test('a message whose fate is not known is sent again under its key, and stored once', async () => {
  const w = await Window.open(browser, server.url, { channel: 'fate' });
  await w.state('live');
  // The server stores it and the window is told that nobody knows; nor does it hear
  // of the publication before it has asked again.
  const answers = [];
  let heard;
  const again = new Promise((done) => (heard = done));
  await w.page.route('**/poll*', async (route) => {
    const response = await route.fetch();
    if (answers.length > 0) await again;
    await route.fulfill({ response });
  });
  await w.page.route('**/send*', async (route) => {
    const { type, key } = route.request().postDataJSON();
    if (type !== 'publish') return route.continue();
    answers.push({ key });
    const response = await route.fetch();
    Object.assign(answers.at(-1), (await response.json()).result);
    if (answers.length > 1) heard();
    const unknown = { type: 'reply', id: null, error: { code: 4301, name: 'unknown_result', message: 'Nobody knows.', retry: true } };
    return answers.length > 1 ? route.fulfill({ response }) : route.fulfill({ status: 503, json: unknown });
  });
  await w.use('poll');
  await w.state('live');
  await w.say('once');
  assert.deepEqual(await w.stored(1), ['once']);
  await again;
  assert.equal(answers.length, 2);
  assert.equal(answers[0].key, answers[1].key);
  assert.deepEqual(answers.map((a) => a.duplicate), [false, true]);
  assert.deepEqual(await server.texts('fate'), ['once']);
  await w.page.unrouteAll({ behavior: 'ignoreErrors' });
  await w.close({ outage: true });
});

test('what is not a chat message is shown as it is, and other directions stand', async () => {
  const w = await Window.open(browser, server.url, { channel: 'shapes' });
  await w.state('live');
  await server.publish('shapes', { room: 'kitchen', temperature: 21.5 });
  await server.publish('shapes', 'just a text');
  await server.publish('shapes', { from: '<b>x</b>', text: '<img src=x onerror=alert(1)> مرحبا' });
  const got = await w.stored(3);
  assert.match(got[0], /"temperature": 21.5/);
  assert.deepEqual(got.slice(1), ['just a text', '<img src=x onerror=alert(1)> مرحبا']);
  await w.close();
});

test('the inspector shows positions and frames, and can be paused', async () => {
  const w = await Window.open(browser, server.url, { channel: 'inspected' });
  await w.state('live');
  await w.say('look');
  await w.stored(1);
  await w.page.waitForFunction(() => document.querySelector('#offset')?.textContent !== '–');
  assert.match(await w.page.textContent('#position'), /^[A-Za-z0-9_-]{10,}$/);
  assert.match(await w.page.textContent('#session'), /^n1\./);
  assert.match(await w.page.textContent('#received'), /^\d+ frames, /);
  await w.page.click('.frame.out:has-text("publish") summary');
  assert.match(await w.page.textContent('.frame.out:has-text("publish") pre'), /"text": "look"/);
  await w.page.click('#pause');
  const before = await w.page.locator('.frame').count();
  await w.say('unseen');
  await w.stored(2);
  assert.equal(await w.page.locator('.frame').count(), before);
  await w.page.click('#pause');
  await w.page.waitForFunction((n) => document.querySelectorAll('.frame').length > n, before);
  await w.close();
});
