// The client of the SDK in pages that have nothing else.

import { chromium } from 'playwright-core';
import { executablePath, FLAGS } from './browser.js';
import { until } from './server.js';

/** A browser whose pages are put away, frozen and held back as those of a visitor: Playwright switches that off unless told. */
export function launchPlain() {
  return chromium.launch({
    executablePath, args: FLAGS,
    ignoreDefaultArgs: ['--disable-back-forward-cache', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'],
  });
}

/** Opens a tab with a client in it that follows a channel. `getToken` is asked in the tests' own process. */
export async function open(context, url, channel, { getToken, ...options } = {}) {
  const page = await context.newPage();
  const sockets = [];
  page.on('websocket', (ws) => {
    sockets.push(ws);
    ws.on('close', () => sockets.splice(sockets.indexOf(ws), 1));
  });
  if (getToken) await page.exposeFunction('askForToken', getToken);
  await page.goto(`${url}/sdk/starling.d.ts`); // of the server's origin, and may be kept by the browser
  await begin(page, channel, options, Boolean(getToken));
  return { page, sockets };
}

/** Begins with a client in a page, and notes what it tells. */
export const begin = (page, channel, options, asks = false) => page.evaluate(async ([name, more, withToken]) => {
  const { createClient } = await import('/sdk/starling.js');
  window.got = [];
  window.told = [];
  window.dropped = [];
  const client = createClient({ ...more, onDrop: (d) => window.dropped.push(d), ...(withToken && { getToken: ({ reason }) => window.askForToken(reason) }) });
  window.client = client;
  const ch = client.channel(name);
  ch.on('publication', (p) => window.got.push(p.data));
  ch.on('reset', () => window.told.push('reset'));
  ch.on('error', (e) => window.told.push(e.name));
  client.on('state', (s) => {
    window.told.push(s.name);
    if (s.name === 'connected' && window.woken) window.live ??= performance.now() - window.woken;
  });
  client.on('outbox', (e) => window.told.push(`${e.outcome} ${e.data}`));
  client.on('error', (e) => window.told.push(e.name));
}, [channel, options, asks]);

/** From when the event comes on, it is measured how long the page takes to be live, and what is the slowest of the questions to the server meanwhile. */
export const measure = (page, target, event) => page.evaluate(([on, name]) => {
  window.live = window.slowest = undefined;
  (on === 'window' ? window : document).addEventListener(name, async () => {
    window.woken = performance.now();
    let slowest = 0;
    while (window.live === undefined) {
      const asked = performance.now();
      await fetch('/readyz', { cache: 'no-store' }).catch(() => {});
      await new Promise((done) => setTimeout(done, 10));
      slowest = Math.max(slowest, performance.now() - asked);
    }
    window.slowest = slowest;
  }, { once: true, capture: true });
}, [target, event]);

export const state = ({ page }) => page.evaluate(() => window.client.state.name);
export const transport = ({ page }) => page.evaluate(() => window.client.state.transport);
export const got = ({ page }) => page.evaluate(() => window.got);
export const told = ({ page }) => page.evaluate(() => window.told);

export const connected = (tabs) => until(async () => (await Promise.all(tabs.map(state))).every((s) => s === 'connected'), 'all tabs to be connected');
export const subscribed = (tabs, name) => until(async () => (await Promise.all(tabs.map(({ page }) => page.evaluate((n) => window.client.channel(n).subscribed, name)))).every(Boolean), 'all tabs to be subscribed');

/** Waits until each of the tabs has heard what it should, and then it is just that. */
export async function allHear(tabs, want) {
  await until(async () => (await Promise.all(tabs.map(got))).every((g) => g.length >= want.length), `all to hear ${want.length}`);
  for (const t of tabs) {
    const heard = await got(t);
    if (JSON.stringify(heard) !== JSON.stringify(want)) throw new Error(`heard ${JSON.stringify(heard)}, want ${JSON.stringify(want)}`);
  }
}

/** How long all tabs take to answer a question, in milliseconds. */
async function round(tabs) {
  const asked = Date.now();
  await Promise.all(tabs.map(state));
  return Date.now() - asked;
}

/**
 * Waits until f is true, and returns how long that has taken, and how long it may: a second, and three of the rounds of questions that are
 * asked meanwhile. On a busy machine nothing in the tabs is faster: another leader takes three such rounds, one to hear of it, one for
 * the socket, and one to tell.
 */
export async function timed(tabs, f, what) {
  const begun = Date.now();
  let slowest = 0;
  await until(async () => {
    slowest = Math.max(slowest, await round(tabs));
    return f();
  }, what);
  return { took: Date.now() - begun, may: 1_000 + 3 * slowest };
}

/** Hides a page: Playwright has each believe that it is looked at, so that is taken back, and another is looked at. */
export async function hide(context, { page }) {
  const inner = page._connection.toImpl(page).delegate._mainFrameSession._client;
  await inner.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  const other = await context.newPage();
  await other.bringToFront();
  await until(async () => (await page.evaluate(() => document.visibilityState)) === 'hidden', 'the page to be hidden');
}

/** Freezes a page that is hidden, as the browser does, and returns what thaws it and looks at it. */
export async function freeze(context, tab) {
  await hide(context, tab);
  const cdp = await context.newCDPSession(tab.page);
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  return async () => {
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await tab.page.bringToFront();
  };
}
