// What the page looks like and how it can be used: contrast, names, sizes, stillness.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch, Window } from './lib/browser.js';
import { Server } from './lib/server.js';

const axe = await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start('--limit-message', '1000'), launch()]);
  for (let i = 0; i < 30; i++) await server.publish('looks', { from: `Visitor ${i % 7}`, text: `Message ${i} of an ordinary length, as people write them.` });
  await server.publish('looks', { from: 'Long', text: 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'.repeat(3) });
  await server.publish('looks', { from: 'عربي', text: 'مرحبا بالعالم' });
  await server.publish('looks', { a: { nested: ['value'] } });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function audit(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `  ${n.target} ${n.failureSummary}`).join('\n')}`);
}

for (const colorScheme of ['light', 'dark']) {
  for (const [width, height] of [[360, 740], [768, 1024], [1280, 800]]) {
    test(`axe finds nothing, nothing overflows, nothing jumps: ${colorScheme}, ${width} px`, async () => {
      const w = await Window.open(browser, server.url, { channel: 'looks', colorScheme, viewport: { width, height }, reducedMotion: 'reduce' });
      await w.stored(33);
      const shifted = await w.page.evaluate(() => window.shifted); // before it is asked to
      for (const fold of ['.terminal summary', '#who summary', '.pad summary']) await w.page.click(fold);
      await w.say('long '.repeat(250));
      await w.page.waitForSelector('.refusal');
      assert.deepEqual(await audit(w.page), []);
      const scrollWidth = await w.page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scrollWidth <= width, `the page is ${scrollWidth} px wide`);
      assert.ok(shifted < 0.02, `the layout has shifted by ${shifted}`);
      await w.close();
    });
  }

  test(`axe finds nothing while there is no server: ${colorScheme}`, async () => {
    const own = await Server.start();
    const w = await Window.open(browser, own.url, { channel: 'away', colorScheme, reducedMotion: 'reduce' });
    await w.state('live');
    await w.say('there');
    await w.stored(1);
    await own.kill();
    await w.state('waiting');
    await w.say('not there');
    await w.page.waitForSelector('.message.waiting');
    const shifted = await w.page.evaluate(() => window.shifted); // before it is asked to
    await w.page.click('#who summary');
    assert.deepEqual(await audit(w.page), []);
    assert.ok(shifted < 0.02, `the layout has shifted by ${shifted}`);
    await w.close({ outage: true });
    await own.stop();
  });

  test(`an empty channel and a page that is not there look like the rest: ${colorScheme}`, async () => {
    const w = await Window.open(browser, server.url, { channel: 'nobody', colorScheme, viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' });
    await w.page.waitForFunction(() => document.querySelector('.talk .empty')?.checkVisibility());
    assert.deepEqual(await audit(w.page), []);
    const answer = await w.page.goto(`${server.url}/not/here`);
    assert.equal(answer.status(), 404);
    assert.equal(await w.page.textContent('h1'), 'There is no page at this address.');
    assert.deepEqual(await audit(w.page), []);
    assert.ok((await w.page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    await w.close({ outage: true });
  });
}

test('everything can be done with the keyboard, in the order in which it stands', async () => {
  const w = await Window.open(browser, server.url, { channel: 'keys' });
  await w.state('live');
  const places = await w.page.locator('header nav a').allTextContents();
  assert.ok(places.includes('Playground'));
  const wanted = ['Skip to the content', 'Starling', ...places.map((name) => name.trim()), 'Colours: as the system has them', 'connect', 'transport', 'channel', 'Join', 'name', 'second', 'To the server you are anonymous', 'From a terminal, from a page',
    '✕', 'log', 'Pointers signals, not stored', 'Message to keys', 'Send', 'Positions', 'pause', 'copy-frames', 'frame-list'];
  const stops = [];
  while (stops.length < wanted.length) {
    await w.page.keyboard.press('Tab');
    stops.push(await w.page.evaluate(() => {
      const e = document.activeElement;
      const ring = getComputedStyle(e.matches('[type=radio]') ? e.nextElementSibling : e).outlineStyle;
      return `${e.id || e.name || (e.role === 'log' ? 'log' : e.matches('textarea, .places, [data-theme-choice]') ? e.ariaLabel : e.textContent.trim())}${ring === 'none' ? ' (no ring)' : ''}`;
    }));
  }
  assert.deepEqual(stops, wanted);
  await w.page.focus('[name=transport]:checked');
  await w.page.keyboard.press('ArrowRight');
  await w.page.waitForFunction(() => new URLSearchParams(location.search).get('transport') === 'sse');
  await w.state('live');
  await w.close();
});

test('a reader who looks back stays there, and is told of what is new', async () => {
  const w = await Window.open(browser, server.url, { channel: 'looks' });
  await w.stored(33);
  const top = () => w.page.$eval('.talk .log', (e) => e.scrollTop);
  const atEnd = () => w.page.waitForFunction(() => { const e = document.querySelector('.talk .log'); return e.scrollHeight - e.scrollTop - e.clientHeight < 2; });
  await atEnd();
  await w.page.hover('.talk .log');
  await w.page.mouse.wheel(0, -600);
  await w.page.waitForFunction(() => { const e = document.querySelector('.talk .log'); return e.scrollHeight - e.scrollTop - e.clientHeight > 500; });
  const before = await top();
  await server.publish('looks', { from: 'late', text: 'one more' });
  await w.page.waitForSelector('.talk .newest', { state: 'visible' });
  assert.equal(await top(), before);
  await w.page.click('.talk .newest');
  await w.page.waitForFunction(() => document.querySelector('.talk .newest')?.hidden);
  await atEnd();
  await w.close();
});

test('screen readers hear of the state once, not of every second', async () => {
  const own = await Server.start();
  const w = await Window.open(browser, own.url, {
    channel: 'heard',
    script: () => {
      window.tries = 0;
      window.WebSocket = class extends WebSocket {
        constructor(...args) {
          super(...args);
          window.tries++;
        }
      };
    },
  });
  await w.state('live');
  await w.page.waitForFunction(() => document.querySelector('#state-said')?.textContent === 'live');
  await w.page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.querySelector('#state-said').textContent)).observe(document.querySelector('#state-said'), { childList: true, subtree: true, characterData: true });
  });
  await own.kill();
  await w.page.waitForFunction(() => window.said.length > 0);
  const before = await w.page.evaluate(() => window.tries);
  await w.page.waitForFunction((n) => window.tries >= n, before + 2);
  await own.run();
  await w.state('live');
  await w.page.waitForFunction(() => window.said.at(-1) === 'live');
  const said = await w.page.evaluate(() => window.said);
  if (said[0] === 'connecting') said.shift(); // it was busy for all of the first wait, and had none to show
  assert.deepEqual(said, ['connection lost, waiting', 'live']);
  await w.close({ outage: true });
  await own.stop();
});
