// The first page: what is written in one window stands in the other, whatever happens to the server in between.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { connection, openHome, say, stored } from './lib/home.js';
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

const open = (channel, transport) => openHome(browser, server.url, { channel, transport });

for (const [a, b] of [['websocket', 'poll'], ['sse', 'websocket'], ['poll', 'sse']]) {
  test(`two windows talk, and go on when the server is killed: ${a} and ${b}`, async () => {
    const channel = `home-${a}-${b}`;
    const [one, other] = [await open(channel, a), await open(channel, b)];
    await Promise.all([connection(one), connection(other)]);
    await say(one, 'from one');
    await stored(other, 1);
    await say(other, 'from the other');
    for (const w of [one, other]) assert.deepEqual(await stored(w, 2), ['from one', 'from the other']);
    assert.equal(await one.page.locator('.said.own').count(), 1);
    await server.kill();
    await connection(one, 'waiting');
    await say(one, 'while it was down');
    await one.page.waitForSelector('.said.waiting');
    await server.run();
    await Promise.all([connection(one), connection(other)]);
    await say(other, 'and on');
    const want = ['from one', 'from the other', 'while it was down', 'and on'];
    for (const w of [one, other]) assert.deepEqual((await stored(w, 4)).toSorted(), want.toSorted());
    const kept = await server.texts(channel);
    assert.deepEqual(kept.toSorted(), want.toSorted());
    for (const w of [one, other]) assert.deepEqual(await stored(w, 4), kept, 'both show the order of the log');
    await one.close({ outage: true });
    await other.close({ outage: true });
  });
}

test('it counts the windows, measures the way, and the second window is the same place', async () => {
  const w = await open('home-second', 'sse');
  await connection(w, 'live over SSE');
  await w.page.waitForFunction(() => /^[\d.]+ ms$/.test(document.querySelector('#round-trip')?.textContent ?? ''));
  assert.equal(await w.page.textContent('#windows'), '1');
  const [popup] = await Promise.all([w.context.waitForEvent('page'), w.page.click('text=Open a second window')]);
  await popup.waitForFunction(() => document.querySelector('.live .status')?.textContent?.startsWith('live over SSE'));
  await w.page.waitForFunction(() => document.querySelector('#windows')?.textContent === '2');
  await say(w, 'hello, second');
  await popup.waitForSelector('.said.stored:not(.own)');
  await w.close();
});

test('the transport is changed while messages come, and nothing is lost', async () => {
  const w = await open('home-switch', 'auto');
  await connection(w);
  const want = [];
  for (const [value, word] of [['sse', 'SSE'], ['poll', 'long polling'], ['websocket', 'WebSocket']]) {
    await w.page.check(`.live input[value=${value}]`, { force: true });
    for (let i = 0; i < 10; i++) {
      want.push(`m${want.length}`);
      await server.publish('home-switch', { from: 'x', text: want.at(-1) });
    }
    await connection(w, `live over ${word}`);
  }
  assert.deepEqual(await stored(w, want.length), want);
  await w.close({ outage: true }); // what was under way is let go
});

test('below a path, behind which the server stands, it finds the server and the other pages', async () => {
  const below = await Server.start('--base-path', '/some/where');
  const w = await openHome(browser, below.url, { channel: 'home-below', transport: 'auto' });
  await connection(w);
  await say(w, 'from below');
  assert.deepEqual(await stored(w, 1), ['from below']);
  await w.page.click('text=Look under the hood');
  await w.page.waitForSelector('#state[data-state=live]', { state: 'attached' });
  assert.equal(w.page.url().split('?')[0], `${below.url}/playground`);
  await w.close({ outage: true });
  await below.stop();
});
