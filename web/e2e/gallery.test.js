// The components of the design system, as they are used: with the keyboard, by ear, and while they grow.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.js';
import { Server } from './lib/server.js';

let server;
let browser;
let page;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })).newPage();
  page.setDefaultTimeout(40_000);
  await page.goto(`${server.url}/design`, { waitUntil: 'networkidle' });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.ariaLabel);

test('tabs are one stop, and the arrow keys go through them', async () => {
  await page.focus('[role=tab][aria-selected=true]');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), 'From Go');
  await page.keyboard.press('End');
  assert.equal(await focused(), 'From a terminal');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), 'From a page');
  assert.deepEqual(await page.$$eval('[role=tab]', (all) => all.map((t) => t.tabIndex)), [0, -1, -1]);
  await page.keyboard.press('ArrowLeft');
  assert.match(await page.textContent('[role=tabpanel]'), /Over HTTP/);
});

test('a dialog takes the focus and gives it back', async () => {
  await page.click('text=Rename the channel…');
  await page.waitForSelector('dialog[open]');
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.querySelector('dialog')?.contains(document.activeElement)), 'the focus stays in it');
  }
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  assert.equal(await focused(), 'Rename the channel…');
});

test('a menu is gone through with the keyboard, and gives the focus back', async () => {
  const button = page.locator('[aria-haspopup=menu]').first();
  await button.focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.role === 'menuitem');
  assert.match(await focused() ?? '', /^Mark as read/);
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'Leave');
  await page.keyboard.press('c');
  assert.equal(await focused(), 'Copy its position');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=Chosen: Copy its position');
  assert.equal(await focused(), 'Channel');
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.role === 'menuitem');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('[role=menu]:popover-open'));
  assert.equal(await focused(), 'Channel');
});

test('a toast is read out once, also when the same is said again', async () => {
  const status = page.locator('.unseen[role=status]').last();
  await page.evaluate(() => {
    window.heard = [];
    for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]')) {
      new MutationObserver(() => region.textContent?.trim() && window.heard.push(region.textContent)).observe(region, { childList: true, subtree: true, characterData: true });
    }
  });
  const text = 'Stored at offset 1204.';
  // At once, and then they are pointed at: so they stay, however busy the machine is.
  await page.getByRole('button', { name: 'Something good' }).evaluate(async (button) => {
    for (const n of [1, 2]) {
      button.click();
      while (document.querySelectorAll('.toast').length < n) await new Promise((done) => requestAnimationFrame(done));
    }
  });
  await page.hover('.toast');
  assert.deepEqual((await page.evaluate(() => window.heard)).map((t) => t.trim()), [text, text]);
  assert.equal((await status.textContent())?.trim(), text);
  assert.equal(await page.locator('.toasts [role=status], .toasts [aria-live]').count(), 0, 'what is shown is not a second region');
  for (const n of [1, 0]) {
    await page.locator('.toast [aria-label=Dismiss]').first().click();
    await page.waitForFunction((want) => document.querySelectorAll('.toast').length === want, n);
  }
});

test('a list that grows leaves its reader where he reads', async () => {
  const log = page.locator('.gallery-log .log-scroll');
  const gap = () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
  await page.click('text=Add twenty');
  assert.ok((await gap()) < 2, 'who is at the end stays at the end');
  await log.evaluate((e) => e.scrollTo(0, 200));
  const topRow = () => log.evaluate((e) => {
    const edge = e.getBoundingClientRect().top;
    const row = [...e.querySelectorAll('li')].find((r) => r.getBoundingClientRect().bottom > edge);
    return `${row?.dataset.key} ${Math.round((row?.getBoundingClientRect().top ?? 0) - edge)}`;
  });
  await page.waitForFunction(() => document.querySelector('.gallery-log .log-scroll')?.scrollTop === 200);
  const before = await topRow();
  await page.click('text=Add one');
  await page.waitForSelector('.log-more');
  assert.equal(await topRow(), before);
  // Beyond 200 the oldest are taken away above what is read.
  for (let i = 0; i < 9; i++) await page.click('text=Add twenty');
  await page.waitForFunction(() => document.querySelectorAll('.gallery-log li').length === 200);
  await page.click('.log-more');
  assert.ok((await gap()) < 2);
  await page.waitForSelector('.log-more', { state: 'detached' });
});

test('a colour that is chosen holds, on the next page too and before anything is painted', async () => {
  const choose = page.locator('[data-theme-choice]');
  await choose.click();
  await choose.click();
  assert.equal(await choose.getAttribute('aria-label'), 'Colours: dark');
  const next = await page.context().newPage();
  await next.addInitScript(() => {
    // What the first frame is painted with.
    requestAnimationFrame(() => (window.first = document.documentElement.dataset.theme));
  });
  await next.goto(`${server.url}/not/here`);
  await next.waitForFunction(() => 'first' in window);
  assert.equal(await next.evaluate(() => window.first), 'dark');
  assert.equal(await next.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(15, 21, 25)');
  // And back, in both.
  await next.locator('[data-theme-choice]').click();
  await page.waitForFunction(() => document.querySelector('[data-theme-choice]')?.getAttribute('aria-label') === 'Colours: as the system has them');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), undefined);
  await next.close();
});

test('the navigation works where there is no script', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 740 } });
  const plain = await context.newPage();
  await plain.goto(`${server.url}/`);
  assert.match((await plain.textContent('h1')) ?? '', /Every window/);
  await plain.click('.shell-menu');
  await plain.click('#shell-nav >> text=Playground');
  await plain.waitForURL(/\/playground$/);
  await context.close();
});
