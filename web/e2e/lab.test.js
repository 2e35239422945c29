// The Lab: each scenario does what it says, in a real browser, through the Lab's network.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { Server, until } from './lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** What Chromium says of connections that a bad network ends. */
const NETWORK = /net::ERR_|WebSocket connection to|the server responded with a status of (404|410|426)/;

/** A visitor of a page of the Lab. */
async function visit(page, { context } = {}) {
  const own = context ?? (await browser.newContext({ viewport: { width: 1280, height: 900 } }));
  const tab = await own.newPage();
  tab.setDefaultTimeout(60_000);
  const complaints = [];
  tab.on('console', (m) => {
    if ((m.type() === 'error' || m.type() === 'warning') && !NETWORK.test(m.text())) complaints.push(m.text());
  });
  tab.on('pageerror', (e) => complaints.push(e.stack ?? String(e)));
  tab.on('request', (r) => {
    if (new URL(r.url()).host !== new URL(server.url).host) complaints.push(`asks ${r.url()}`);
  });
  await tab.goto(`${server.url}/${page}`);
  return {
    context: own,
    tab,
    /** What an instrument says in its data attributes. */
    read: (selector) => tab.$eval(selector, (el) => ({ ...el.dataset })),
    /** Waits for an instrument to say something. */
    async says(selector, f, what) {
      let last;
      await until(async () => {
        last = await tab.$eval(selector, (el) => ({ ...el.dataset })).catch(() => null);
        return last && f(last);
      }, what, 90_000).catch((e) => {
        throw new Error(`${e.message}; the last was ${JSON.stringify(last)}`);
      });
      return last;
    },
    workspace: async () => (await tab.$eval('[data-workspace]', (el) => ({ ...el.dataset }))).workspace,
    async close() {
      await (context ? tab.close() : own.close());
      assert.deepEqual(complaints, [], 'the console has complaints');
    },
  };
}

/** Chooses what has its label drawn over it, wherever the page moves it meanwhile. */
const choose = (control) => control.evaluate((el) => el.click());

const line = (name) => `[data-line=${name}]`;

test('the three transports are measured side by side, and there is a verdict', async () => {
  const v = await visit('lab/transports?seed=7&rate=20');
  for (const name of ['websocket', 'sse', 'poll']) {
    const d = await v.says(line(name), (d) => d.state === 'connected' && Number(d.messages) >= 30 && d.bytes, `${name} to be measured`);
    assert.equal(d.transport, name);
    assert.ok(Number(d.bytes) > 100, `${name} costs ${d.bytes} bytes a message, less than the message`);
  }
  const [ws, poll] = [await v.read(line('websocket')), await v.read(line('poll'))];
  assert.ok(Number(poll.bytes) > Number(ws.bytes), 'polling costs more than a WebSocket');
  assert.equal(Number(ws.requests), 0, 'an open WebSocket asks no more');
  assert.ok(Number(poll.requests) > 0);
  await v.tab.getByText(/^Use (WebSocket|SSE|Long polling) here: 95 of 100/).waitFor();
  await v.close();
});

test('a delay is felt on its line, and a cut is mended', async () => {
  const v = await visit('lab/transports?seed=8&rate=10');
  await v.says(line('sse'), (d) => Number(d.messages) >= 10, 'messages');
  await v.tab.locator(line('sse')).getByLabel('Delay, each way').fill('800');
  await v.says(line('sse'), (d) => Number(d.messages) >= 10 && Number(d.half) >= 790, 'the delay to be felt');
  await v.tab.locator(line('poll')).getByRole('button', { name: 'Cut' }).click();
  await v.says(line('websocket'), (d) => d.state === 'connected' && Number(d.messages) > 0, 'the WebSocket');
  await v.tab.locator(line('websocket')).getByRole('button', { name: 'Cut' }).click();
  await v.says(line('websocket'), (d) => d.state === 'connected' && d.back === '1', 'the WebSocket to come back');
  await v.says(line('poll'), (d) => d.state === 'connected' && Number(d.messages) > 20, 'polling to go on');
  await v.close();
});

test('behind a corporate proxy a client that may choose falls back, and a burst comes through', async () => {
  const v = await visit('lab/transports?seed=9&rate=5');
  await v.says(line('auto'), (d) => d.state === 'connected' && d.transport === 'websocket', 'the client to choose WebSocket');
  await choose(v.tab.getByRole('switch', { name: 'A corporate proxy that knows no WebSockets' }));
  await v.says(line('auto'), (d) => d.state === 'connected' && d.transport === 'sse', 'the client to fall back to SSE');
  await v.says(line('websocket'), (d) => d.state !== 'connected', 'the WebSocket to be refused');
  await v.tab.getByText('WebSocket does not get through at this moment.', { exact: false }).waitFor();
  await choose(v.tab.getByRole('switch', { name: '… and passes on only what is complete' }));
  await v.says(line('auto'), (d) => d.state === 'connected' && d.transport === 'poll', 'the client to fall back to polling');
  const had = Number((await v.read(line('auto'))).messages);
  await v.tab.getByRole('button', { name: 'Send a burst of 100' }).click();
  await v.says(line('auto'), (d) => Number(d.messages) >= had + 100, 'the burst');
  await v.close();
});

test('a slow client is kept current by conflation, with true numbers', async () => {
  const v = await visit('lab/ticker?seed=3&rate=3000');
  const numbers = '[data-made]';
  const quick = await v.says(numbers, (d) => Number(d.sent) > 1000, 'prices');
  assert.equal(Number(quick.made), Number(quick.sent) + Number(quick.conflated));
  // What comes before the way is narrow does not count.
  const narrow = v.tab.waitForResponse((r) => r.request().method() === 'PUT' && r.url().endsWith('/lines/ticker'));
  await v.tab.getByLabel('The way to this page').fill('5'); // 4 kB/s
  await narrow;
  await v.tab.getByRole('button', { name: 'Count anew' }).click();
  const slow = await v.says(numbers, (d) => Number(d.made) > 30_000 && Number(d.skipped) > 0, 'changes, and skipped trades');
  assert.equal(Number(slow.made), Number(slow.sent) + Number(slow.conflated));
  assert.ok(Number(slow.conflated) > 0.95 * Number(slow.made), `of ${slow.made} changes ${slow.conflated} were conflated`);
  assert.ok(Number(slow.age) < 12_000, `prices are ${slow.age} ms old when they come: they were queued somewhere`);
  await v.close();
});

test('a plain EventSource follows the builds, and misses nothing when it is cut', async () => {
  const v = await visit('lab/ticker?seed=4');
  await v.says('[data-events]', (d) => Number(d.events) >= 3, 'builds');
  await v.tab.getByRole('button', { name: 'Cut', exact: true }).click();
  const had = Number((await v.read('[data-events]')).events);
  const d = await v.says('[data-events]', (d) => Number(d.opened) >= 2 && Number(d.events) >= had + 4, 'the feed to come back');
  assert.equal(d.gaps, '0');
  await v.close();
});

test('a board is folded from its log, at any offset; undo and redo are appended', async () => {
  const v = await visit('lab/log?seed=5');
  await v.says('[data-entries]', (d) => Number(d.entries) >= 24, 'the past');
  await v.tab.getByPlaceholder('A new card').fill('Count the birds');
  await v.tab.getByRole('button', { name: 'Add' }).click();
  const card = v.tab.locator('[data-card="Count the birds"]');
  await card.waitFor();
  await v.tab.getByRole('button', { name: 'Undo', exact: true }).first().click();
  await card.waitFor({ state: 'detached' });
  await v.tab.locator('.trail').getByText('undid: added “Count the birds” to todo').waitFor();
  await v.tab.locator('.trail .undone').getByText('added “Count the birds” to todo').waitFor();
  await v.tab.getByRole('button', { name: 'Redo', exact: true }).first().click();
  await card.waitFor();
  await choose(v.tab.getByRole('radio', { name: 'Eve' }));
  await v.says('[data-entries]', (d) => Number(d.entries) >= 27, 'the log as another');
  await card.getByRole('button', { name: 'Move “Count the birds” to doing' }).click();
  await v.tab.locator('[data-column=doing] [data-card="Count the birds"]').waitFor();
  await v.tab.locator('.trail li', { hasText: 'Eve' }).getByText('moved “Count the birds” to doing').waitFor();
  // An earlier state is a fold that stops earlier.
  const whole = Number((await v.read('[data-entries]')).entries);
  await v.tab.getByLabel('Folded up to entry').fill('1');
  await v.says('[data-entries]', (d) => d.at === '1', 'the past to be shown');
  assert.equal(await v.tab.locator('.board-card').count(), 1);
  await choose(v.tab.getByRole('radio', { name: '16×' }));
  await v.tab.getByRole('button', { name: 'Replay' }).click();
  await v.says('[data-entries]', (d) => Number(d.at) >= whole, 'the replay to come to the end');
  await card.waitFor();
  // Whoever reads the same log comes to the same board.
  const other = await visit('lab/log?seed=5', { context: v.context });
  await other.says('[data-entries]', (d) => Number(d.entries) >= whole, 'the other page');
  await other.tab.locator('[data-column=doing] [data-card="Count the birds"]').waitFor();
  await other.close();
  await v.close();
});

test('after a cut, the end of the session and a while offline nothing is missing or doubled', async () => {
  const v = await visit('lab/failure?seed=6');
  const ledger = '[data-received]';
  const live = (n) => v.says('[data-offset]', (d) => d.state === 'connected', `the connection, ${n}`);
  await v.says(ledger, (d) => Number(d.received) > 20, 'messages');
  await v.tab.getByRole('button', { name: 'Kill the connection' }).click();
  await v.tab.locator('tbody tr', { hasText: 'the connection was cut' }).getByText('yes').waitFor();
  await live('after the cut');
  await v.tab.getByRole('button', { name: 'End the session on the server' }).click();
  await v.says('[data-offset]', (d) => d.state === 'failed', 'the end of the session');
  await v.tab.getByRole('button', { name: 'Connect now' }).click();
  await v.tab.locator('tbody tr', { hasText: 'the server ended the session' }).getByText('yes').waitFor();
  await live('after the end');
  await choose(v.tab.getByRole('radio', { name: '20 s' }));
  await v.tab.getByRole('button', { name: 'Go offline' }).click();
  await v.says('[data-offset]', (d) => d.state !== 'connected', 'the network to be gone');
  await v.tab.getByRole('button', { name: 'Publish a burst of 100' }).click();
  await v.tab.locator('tbody tr', { hasText: 'offline' }).getByText('yes').waitFor();
  const had = Number((await v.read(ledger)).received);
  // The audit is of a moment: one that has seen all of this.
  const d = await v.says(ledger, (d) => Number(d.inLedger) > had && d.lost === '0' && Number(d.replayed) > 100, 'the audit');
  assert.deepEqual([d.missing, d.doubled, d.disorder, d.resets, d.lost, d.invented], ['0', '0', '0', '0', '0', '0']);
  assert.equal(d.inLog, d.inLedger);
  await v.tab.getByText('Nothing is missing and nothing is doubled.', { exact: false }).waitFor();
  await v.close();
});

test('silence is survived as well: what was held back comes, or is fetched', async () => {
  const v = await visit('lab/failure?seed=11');
  await v.says('[data-received]', (d) => Number(d.received) > 10, 'messages');
  await v.tab.getByRole('button', { name: 'Go silent' }).click();
  await v.tab.getByText('the network is back').waitFor();
  const had = Number((await v.read('[data-received]')).received);
  const d = await v.says('[data-received]', (d) => Number(d.received) > had + 60 && Number(d.inLedger) > had, 'messages after the silence');
  assert.deepEqual([d.missing, d.doubled, d.disorder, d.lost, d.invented], ['0', '0', '0', '0', '0']);
  await v.close();
});

/** The entries of the trail, without the times. */
const trail = (v) => v.tab.$$eval('.trail li .what', (all) => all.slice(0, 24).map((el) => el.textContent));

test('visitors have workspaces of their own, a seed brings the same to each, and a reset another', async () => {
  const [a, b] = [await visit('lab/log?seed=42'), await visit('lab/log?seed=42')];
  for (const v of [a, b]) await v.says('[data-entries]', (d) => Number(d.entries) >= 24, 'the past');
  assert.notEqual(await a.workspace(), await b.workspace());
  assert.deepEqual(await trail(a), await trail(b));
  const before = await a.workspace();
  await a.tab.getByRole('button', { name: 'Reset workspace' }).click();
  await a.tab.getByRole('dialog').getByRole('button', { name: 'Reset', exact: true }).click();
  await a.says('[data-workspace]', (d) => d.workspace && d.workspace !== before, 'another workspace');
  await a.says('[data-entries]', (d) => Number(d.entries) >= 24, 'the past, again');
  assert.deepEqual(await trail(a), await trail(b));
  const gone = await fetch(`${server.url}/lab/api/workspaces/${before}/token`, { method: 'POST', body: '{"name":"You"}' });
  assert.equal(gone.status, 404);
  await a.close();
  await b.close();
});

test('traffic runs only while somebody watches', async () => {
  const v = await visit('lab/failure?seed=12');
  await v.says('[data-received]', (d) => Number(d.received) > 10, 'messages');
  const channel = `lab:${await v.workspace()}:failure.12`;
  const last = async () => {
    const r = await fetch(`${server.url}/api/v1/channels/${encodeURIComponent(channel)}/history?newest=1&limit=1`);
    return (await r.json()).publications[0].offset;
  };
  await v.close();
  let seen = await last();
  let since = Date.now();
  await until(async () => {
    const now = await last();
    if (now !== seen) [seen, since] = [now, Date.now()];
    return Date.now() - since > 3000;
  }, 'the traffic to come to rest');
});
