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
    await w.page.waitForFunction((last) => document.querySelector('.talk .messages > li:last-child .text')?.textContent === last, all.at(-1));
    await w.page.click('.talk .earlier');
    assert.deepEqual(await w.stored(130), all);
    assert.equal(await w.page.isVisible('.talk .earlier'), false);
    await w.close();
  }
});

test('a channel of one publication shows it', async () => {
  await server.publish('single', { from: 'w', text: 'the only one' });
  const w = await Window.open(browser, server.url, { channel: 'single' });
  assert.deepEqual(await w.stored(1), ['the only one']);
  await w.close();
});

test('channels stand side by side, and their names are checked', async () => {
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
  const second = w.page.locator('.talk[data-channel=second]');
  await second.locator('.empty').waitFor();
  assert.match(w.page.url(), /channel=first&channel=second&transport=websocket/);
  await w.page.keyboard.type('in the second');
  await w.page.keyboard.press('Enter');
  await second.locator('.message.stored').waitFor();
  assert.deepEqual([await server.texts('first'), await server.texts('second')], [['in the first'], ['in the second']]);
  await w.page.click('[aria-label="Leave first"]');
  await server.publish('first', { text: 'unseen' });
  await server.publish('second', { from: 'x', text: 'seen' });
  await second.locator('.message:has-text("seen")').waitFor();
  assert.equal(await w.page.locator('.talk[data-channel=first]').count(), 0);
  assert.match(w.page.url(), /\?channel=second&/);
  await w.close();
});

for (const transport of ['websocket', 'sse', 'poll']) {
  test(`pointers are seen in other windows, and go with who pointed: ${transport}`, async () => {
    const [one, other] = [await Window.open(browser, server.url, { channel: `pad-${transport}`, transport }), await Window.open(browser, server.url, { channel: `pad-${transport}`, transport })];
    for (const w of [one, other]) {
      await w.state('live');
      await w.page.click('.pad summary');
    }
    const box = await one.page.locator('.area').boundingBox();
    for (let i = 1; i <= 16; i++) await one.page.mouse.move(box.x + (box.width * i) / 20, box.y + box.height / 2);
    await other.page.waitForFunction(() => document.querySelector('.dot')?.style.getPropertyValue('--x') === '0.8');
    await one.page.mouse.move(box.x, box.y - 200);
    await other.page.waitForFunction(() => !document.querySelector('.dot'));
    // And with the keyboard.
    await other.page.focus('.area');
    await other.page.keyboard.press('ArrowLeft');
    await one.page.waitForSelector('.dot', { state: 'attached' });
    for (const w of [one, other]) await w.close();
  });

  test(`a token grants what it says, and refusals are shown with their codes: ${transport}`, async () => {
    const w = await Window.open(browser, server.url, { channel: [`may-${transport}`, `not-${transport}`], transport });
    await w.state('live');
    await w.page.click('#who summary');
    await w.page.fill('#user', 'ann');
    await w.page.fill('.rule input:not([type])', 'may-*');
    await w.page.uncheck('.rule input[value=publish]');
    await w.page.click('button:has-text("Enter with a token")');
    await w.page.waitForFunction(() => document.querySelector('#who-now')?.textContent === 'ann');
    await w.page.locator(`.talk[data-channel=not-${transport}] .state[data-state=refused]`).waitFor();
    assert.match(await w.page.textContent(`.talk[data-channel=not-${transport}] .why`), /4101 forbidden/);
    await w.page.locator(`.talk[data-channel=may-${transport}] .state[data-state=live]`).waitFor();
    await w.say('not allowed');
    assert.match(await w.page.textContent('.refusal'), /Not sent: .*4101 forbidden/);
    await w.page.click('button:has-text("Be anonymous")');
    await w.state('live');
    await w.page.click('.refusal button:has-text("Discard")');
    await w.say('allowed');
    assert.deepEqual(await w.stored(1), ['allowed']);
    await w.close({ outage: true });
  });
}

test('a token that the server refuses shows why, and what is written goes out once it may', async () => {
  const w = await Window.open(browser, server.url, { channel: 'chat-refused' });
  await w.state('live');
  await w.page.route('**/dev/token', (route) => route.fulfill({ json: { token: 'no.such.token' } }));
  await w.page.click('#who summary');
  await w.page.click('button:has-text("Enter with a token")');
  await w.state('refused');
  assert.equal(await w.page.textContent('#state-word'), 'refused: 4100');
  assert.notEqual(await w.page.textContent('#state-why'), '');
  await w.say('later');
  await w.page.unroute('**/dev/token');
  await w.page.click('button:has-text("Enter with a token")');
  await w.state('live');
  assert.deepEqual(await w.stored(1), ['later']);
  await w.close({ outage: true });
});

test('told to disconnect it stays away, also when it is looked at, and comes back when told to', async () => {
  const w = await Window.open(browser, server.url, { channel: 'away', transport: 'auto' });
  await w.state('live');
  await w.page.click('#connect');
  await w.state('off');
  await server.publish('away', { from: 'x', text: 'meanwhile' });
  await w.page.evaluate(() => {
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await w.say('written while away');
  assert.equal(await w.page.getAttribute('#state', 'data-state'), 'off');
  await w.page.click('#connect');
  await w.state('live');
  assert.deepEqual((await w.stored(2)).toSorted(), ['meanwhile', 'written while away']);
  await w.close();
});

test('the SDK works in a page of one line', async () => {
  const w = await Window.open(browser, server.url, { channel: 'line' });
  await w.state('live');
  const got = await w.page.evaluate(async () => {
    const { createClient } = await import('/sdk/starling.js');
    const chat = createClient().channel('line');
    const came = new Promise((done) => chat.on('publication', (p) => done(p.data)));
    await new Promise((done) => chat.on('subscribed', done));
    await chat.publish({ from: 'sdk', text: 'hello' });
    return came;
  });
  assert.deepEqual(got, { from: 'sdk', text: 'hello' });
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
  await w.page.waitForFunction(() => document.querySelector('#positions td:nth-child(3)')?.textContent !== '–');
  assert.match(await w.page.textContent('#positions td:nth-child(2)'), /^[A-Za-z0-9_-]{10,}(\.\d+)?$/);
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
