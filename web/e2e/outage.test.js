// Servers die, networks go away, and nothing is lost or doubled.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { launch, Window } from './lib/browser.js';
import { proxyWithoutWebSockets, Server, until } from './lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
// A test that failed may have left it dead.
beforeEach(() => server.up());
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const [a, b] of [['websocket', 'websocket'], ['sse', 'sse'], ['poll', 'poll'], ['websocket', 'sse']]) {
  test(`kill -9 while both windows type loses and doubles nothing: ${a} and ${b}`, async () => {
    const channel = `kill-${a}-${b}`;
    const windows = [await Window.open(browser, server.url, { channel, transport: a }), await Window.open(browser, server.url, { channel, transport: b })];
    for (const w of windows) await w.state('live');
    const each = 40;
    const typed = windows.map(async (w, i) => {
      for (let n = 0; n < each; n++) await w.say(`${'ab'[i]}${n}`);
    });
    await windows[0].stored(10);
    // What the page calls stored now has to be there for ever.
    const acknowledged = (await windows[0].rows()).filter((r) => r.state === 'stored').map((r) => r.text);
    await server.kill();
    await windows[0].page.waitForSelector('#state:not([data-state=live])', { state: 'attached' });
    await server.run();
    await Promise.all(typed);

    const shown = await Promise.all(windows.map((w) => w.stored(2 * each)));
    const kept = await server.texts(channel);
    assert.equal(new Set(kept).size, 2 * each, 'each message is kept');
    assert.equal(kept.length, 2 * each, 'none is kept twice');
    assert.deepEqual(kept.filter((t) => acknowledged.includes(t)), acknowledged, 'what was acknowledged is kept, in its order');
    assert.deepEqual(shown[0], kept, 'the first window shows the same in the same order');
    assert.deepEqual(shown[1], kept, 'the second window shows the same in the same order');
    for (const who of 'ab') {
      const own = kept.filter((t) => t.startsWith(who)).map((t) => Number(t.slice(1)));
      assert.deepEqual(own, own.toSorted((x, y) => x - y), 'each window keeps its own order');
    }
    for (const w of windows) assert.ok((await w.rows()).every((r) => !r.gap && r.state === 'stored'), 'no gap, nothing waits');
    for (const w of windows) await w.close({ outage: true });
  });
}

for (const transport of ['websocket', 'sse', 'poll']) {
  test(`a message written while the server is down arrives once when it is back: ${transport}`, async () => {
    const channel = `down-${transport}`;
    const w = await Window.open(browser, server.url, { channel, transport });
    const other = await Window.open(browser, server.url, { channel });
    await w.state('live');
    await other.state('live');
    await server.kill();
    await w.page.waitForFunction(() => /^waiting \d+ s$/.test(document.querySelector('#state-word')?.textContent ?? '') && document.querySelector('#state-why')?.textContent !== '');
    await w.say('while it was down');
    await w.page.waitForSelector('.message.waiting');
    await server.run();
    assert.deepEqual(await w.stored(1), ['while it was down']);
    assert.deepEqual(await other.stored(1), ['while it was down']);
    assert.deepEqual(await server.texts(channel), ['while it was down']);
    await w.close({ outage: true });
    await other.close({ outage: true });
  });

  test(`without a network it says so, and goes on when it is back: ${transport}`, async () => {
    const channel = `offline-${transport}`;
    const w = await Window.open(browser, server.url, { channel, transport });
    await w.state('live');
    await w.context.setOffline(true);
    await w.state('offline');
    await w.say('into the void');
    await w.page.waitForSelector('.message.waiting');
    await server.publish(channel, { from: 'elsewhere', text: 'meanwhile' });
    await w.context.setOffline(false);
    await w.state('live');
    const want = ['meanwhile', 'into the void'];
    assert.deepEqual(await w.stored(2), want);
    assert.deepEqual(await server.texts(channel), want);
    await w.close({ outage: true });
  });
}

/** Runs in a page: notes when the steps from one transport to the next are taken, whatever the machine does between them. */
function steps() {
  window.steps = {};
  const { fetch, WebSocket } = window;
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener('close', () => (window.steps.refused ??= performance.now()));
    }
  };
  window.fetch = (...args) => {
    if (String(args[0]).includes('/sse')) window.steps.streamed ??= performance.now();
    return fetch(...args);
  };
}

test('where WebSockets are refused it goes on over SSE at once, and tells why not when told to use nothing else', async () => {
  const proxy = await proxyWithoutWebSockets(server.url);
  const w = await Window.open(browser, proxy.url, { channel: 'blocked', transport: 'auto', script: steps });
  await w.state('live');
  const { refused, streamed } = await w.page.evaluate(() => window.steps);
  const waited = streamed - (refused ?? streamed); // on a machine that is slow it was not even refused yet
  assert.ok(waited < 400, `it waited for ${waited} ms`); // after a failure it would be 500 at least
  assert.equal(await w.page.textContent('#state-word'), 'live over SSE');
  await w.say('over sse');
  assert.deepEqual(await w.stored(1), ['over sse']);
  await w.use('websocket');
  await w.state('waiting');
  await w.page.waitForFunction(() => /could not be opened/.test(document.querySelector('#state-why')?.textContent ?? ''));
  await w.say('when it works');
  await w.use('poll');
  assert.deepEqual(await w.stored(2), ['over sse', 'when it works']);
  await w.close({ outage: true });
  await proxy.close();
});

test('where WebSockets are swallowed the next transport is tried after 3 s', async () => {
  const w = await Window.open(browser, server.url, {
    channel: 'swallowed', transport: 'auto',
    // One that never opens and never fails, as behind some proxies. It is noted when it is tried, and when the next is.
    script: () => {
      window.steps = { sockets: 0 };
      window.WebSocket = class {
        readyState = 0;
        bufferedAmount = 0;
        constructor() {
          window.steps.sockets++;
          window.steps.tried = performance.now();
        }
        send() {}
        close() {}
      };
      const { fetch } = window;
      window.fetch = (...args) => {
        if (String(args[0]).includes('/sse')) window.steps.streamed ??= performance.now();
        return fetch(...args);
      };
    },
  });
  await w.state('live');
  const { tried, streamed } = await w.page.evaluate(() => window.steps);
  // How late a timer is depends on the machine, but the WebSocket itself would have been given up after 15 s.
  assert.ok(streamed - tried > 2_500 && streamed - tried < 10_000, `it took ${streamed - tried} ms`);
  assert.equal(await w.page.textContent('#state-word'), 'live over SSE');
  // The next visit of this window begins with what has worked.
  await w.page.reload();
  await w.state('live');
  assert.equal(await w.page.evaluate(() => window.steps.sockets), 0, 'it remembers');
  await w.close();
});

test('a server that is asked to stop takes nobody by surprise', async () => {
  const own = await Server.start();
  const windows = [];
  for (const transport of ['websocket', 'sse', 'poll']) {
    const w = await Window.open(browser, own.url, { channel: 'drain', transport });
    await w.state('live');
    windows.push(w);
  }
  own.process.kill('SIGTERM');
  await own.exited;
  await own.run();
  for (const w of windows) await w.state('live');
  await windows[0].say('after the restart');
  for (const w of windows) {
    assert.deepEqual(await w.stored(1), ['after the restart']);
    await w.close({ outage: true });
  }
  await own.stop();
});

test('a channel that has begun anew is told as a gap, and its history is loaded', async () => {
  const own = await Server.start();
  const w = await Window.open(browser, own.url, { channel: 'anew' });
  await w.state('live');
  await w.say('of the first life');
  await w.stored(1);
  await own.stop(); // and its data with it
  await own.run();
  await own.publish('anew', { from: 'x', text: 'of the second life' });
  await w.page.waitForSelector('.gap');
  await w.stored(2);
  assert.deepEqual((await w.rows()).map((r) => (r.gap ? 'gap' : r.text)), ['of the first life', 'gap', 'of the second life']);
  await w.say('and on');
  await w.stored(3);
  assert.deepEqual((await w.rows()).map((r) => (r.gap ? 'gap' : r.text)), ['of the first life', 'gap', 'of the second life', 'and on']);
  await w.close({ outage: true });
  await own.stop();
});

for (const transport of ['websocket', 'sse', 'poll']) {
  test(`a message that is refused says why, and does not hold up the next: ${transport}`, async () => {
    const own = await Server.start('--limit-message', '600');
    const w = await Window.open(browser, own.url, { channel: 'refused', transport });
    await w.state('live');
    await w.say('long '.repeat(200));
    await w.say('short');
    assert.deepEqual(await w.stored(1), ['short']);
    assert.match(await w.page.textContent('.refusal'), /Not sent: .*600 bytes/);
    await w.page.click('.refusal button:has-text("Discard")');
    await until(async () => (await w.rows()).length === 1, 'the refused message to go');
    await w.close({ outage: true });
    await own.stop();
  });
}
