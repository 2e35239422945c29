// The documentation: each page of its list as the other pages are looked at, and what its scripts do.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { inspect } from '../lib/inspect.js';
import { Server } from '../lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start('--base-path', '/rt'), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const ALL = [[360, 'light'], [1280, 'dark'], [360, 'dark'], [1280, 'light']];

async function look(path, looks, status = 200) {
  for (const [width, colorScheme] of looks) {
    const { faults } = await inspect(browser, `${server.url}/docs/${path}`, { status, width, colorScheme });
    assert.deepEqual(faults, [], `${path}, ${colorScheme}, ${width} px`);
  }
}

test('pages of each kind, light and dark, on a phone and on a desk', async (t) => {
  for (const path of ['', 'guides/javascript', 'api/client', 'errors/forbidden']) await t.test(`/docs/${path}`, () => look(path, process.env.LOOKS === '2' ? ALL.slice(0, 2) : ALL));
  await t.test('what is not there', () => look('nothing/here', ALL.slice(0, 2), 404));
});

test('all pages of the list', async (t) => {
  const page = await browser.newPage();
  await page.goto(`${server.url}/docs/`);
  const paths = await page.$$eval('#pages a', (all) => all.map((a) => a.pathname));
  await page.close();
  assert.ok(paths.length > 20, `the list has ${paths.length} pages`);
  const seen = ['/rt/docs/', '/rt/docs/guides/javascript', '/rt/docs/api/client'];
  // They differ by their text alone: one look at each, at another width and in other colours from page to page; with LOOKS=2 at each third.
  for (const [i, path] of paths.filter((p) => !seen.includes(p)).entries()) {
    if (process.env.LOOKS !== '2' || i % 3 === 0) await t.test(path, () => look(path.slice('/rt/docs/'.length), [ALL[i % 4]]));
  }
});

async function open(path, width = 1280) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  await page.goto(`${server.url}/docs/${path}`);
  return page;
}

test('the search, by keyboard alone', async () => {
  const page = await open('protocol');
  await page.keyboard.press('/');
  await page.keyboard.type('rotation');
  const option = page.getByRole('option', { name: /Rotation/ });
  await option.waitFor();
  const input = page.getByRole('combobox', { name: 'Search the documentation' });
  assert.equal(await input.getAttribute('aria-expanded'), 'true');
  assert.equal(await page.locator('#said').textContent(), `${await page.getByRole('option').count()} found`);
  assert.equal(await input.getAttribute('aria-activedescendant'), 'found-0');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowDown');
  assert.equal(await input.getAttribute('aria-activedescendant'), 'found-0');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/rt/docs/guides/auth#rotation');
  await page.keyboard.press('/');
  await page.keyboard.type('nothing is called so');
  await page.waitForFunction(() => document.querySelector('#said').textContent === 'Nothing found');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#search').inputValue(), '');
  await page.context().close();
});

test('the list of pages on a phone', async () => {
  const page = await open('protocol', 360);
  const list = page.getByRole('navigation', { name: 'Pages' });
  assert.equal(await list.isVisible(), false);
  await page.getByRole('button', { name: 'Pages' }).click();
  assert.equal(await list.isVisible(), true);
  await list.getByRole('link', { name: 'Tokens' }).focus();
  await page.keyboard.press('Escape');
  assert.equal(await list.isVisible(), false);
  await page.getByRole('button', { name: 'Pages' }).click();
  await list.getByRole('link', { name: 'Tokens' }).click();
  await page.waitForURL('**/rt/docs/guides/auth');
  await page.context().close();
});

test('code is copied as it stands', async () => {
  const page = await open('');
  const block = page.locator('.code', { hasText: 'make run' });
  // It says so for two seconds: the page itself looks.
  const copied = page.waitForFunction(() => [...document.querySelectorAll('.copy')].find((b) => b.textContent === 'Copied')?.closest('.code')?.textContent.includes('make run'));
  await block.getByRole('button', { name: 'Copy' }).click();
  await copied;
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^git clone \S+ && cd starling\nmake run\n$/);
  await page.context().close();
});

test('an error leads to its page, and that to the next', async () => {
  const r = await fetch(`${server.url}/poll?channel=%20`);
  const { error } = await r.json();
  assert.equal(error.docs, '/rt/docs/errors/bad_channel');
  const page = await open('');
  await page.goto(new URL(error.docs, server.url).href);
  await page.getByRole('heading', { name: 'Error 4003: bad channel' }).waitFor();
  await page.getByRole('link', { name: /^Next/ }).click();
  await page.getByRole('heading', { name: 'Error 4004: bad position' }).waitFor();
  assert.equal(await page.locator('#pages [aria-current=page]').textContent(), 'bad_position');
  await page.context().close();
});

test('without scripts everything can be read and reached', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 800 } });
  const page = await context.newPage();
  await page.goto(`${server.url}/docs/`);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Tokens' }).click();
  await page.getByRole('heading', { name: 'Tokens', level: 1 }).waitFor();
  await context.close();
});
