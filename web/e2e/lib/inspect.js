// Looks at a page as a visitor who misses nothing: what axe finds, what is wider than the window, what jumps, what the
// console and the policy complain of, whom else it asks. Also with everything open that can be opened.

import { readFile } from 'node:fs/promises';
import { LET_GO } from './browser.js';

const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** Of all shifts of a visit together. */
const SHIFT = 0.02;
/** What opens something, or shows another part of the page. */
const OPENERS = 'summary, [popovertarget], [aria-haspopup], [role=tab][aria-selected=false]';

/** Runs in the page, before anything else does. */
function watch() {
  window.seen = { shift: 0, shifted: [], policy: [] };
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) {
      if (e.hadRecentInput) continue;
      window.seen.shift += e.value;
      window.seen.shifted.push(...e.sources.map((s) => s.node?.nodeType === 1 ? `${s.node.tagName.toLowerCase()}.${s.node.className}` : s.node?.nodeName));
    }
  }).observe({ type: 'layout-shift', buffered: true });
  document.addEventListener('securitypolicyviolation', (e) => window.seen.policy.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
}

/**
 * What axe finds, in the whole page or in a part of it.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} [part]
 */
async function violations(page, part) {
  const found = await page.evaluate(async (selector) => {
    const { violations } = await window.axe.run(selector ? { include: [selector] } : document, { resultTypes: ['violations'] });
    return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join('; ')}`);
  }, part);
  return found.map((v) => `axe: ${v}`);
}

/**
 * What is wider than the window.
 *
 * @param {import('playwright-core').Page} page
 */
function wide(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const out = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && (e.getBoundingClientRect().right > clientWidth + 1 || e.getBoundingClientRect().left < -1));
    return [`wide: the page is ${scrollWidth} px in ${clientWidth}: ${out.slice(0, 5).map((e) => `${e.tagName.toLowerCase()}.${e.className}`).join(', ')}`];
  });
}

/**
 * Opens one after the other what can be opened, and looks at each.
 *
 * @param {import('playwright-core').Page} page
 */
async function opened(page) {
  const faults = [];
  const openers = page.locator(OPENERS);
  const count = await openers.count();
  for (let i = 0; i < count; i++) {
    const opener = openers.nth(i);
    if (!(await opener.isVisible().catch(() => false)) || !(await opener.isEnabled())) continue;
    const name = await opener.evaluate((e) => e.getAttribute('aria-label') ?? e.textContent?.trim() ?? '');
    const kind = await opener.evaluate((e) => (e.tagName === 'SUMMARY' ? 'details' : e.role === 'tab' ? 'tab' : 'layer'));
    await opener.click();
    const part = { details: 'details[open]', tab: '[role=tabpanel]', layer: 'dialog[open], :popover-open' }[kind];
    await page.waitForSelector(part, { state: 'visible' });
    for (const f of [...(await violations(page, part)), ...(await wide(page))]) faults.push(`${f} (with “${name}” open)`);
    if (kind === 'layer') {
      await page.keyboard.press('Escape');
      await page.waitForSelector(part, { state: 'hidden' });
    }
  }
  return { faults, opened: count };
}

/**
 * Visits a page, and returns all that is wrong with it, one line each.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {{status?: number, width: number, colorScheme: 'light' | 'dark', prepare?: (page: import('playwright-core').Page) => Promise<unknown>}} o
 */
export async function inspect(browser, url, { status = 200, width, colorScheme, prepare }) {
  const context = await browser.newContext({ viewport: { width, height: width < 600 ? 740 : 800 }, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const faults = [];
  page.on('console', (m) => {
    const expected = status !== 200 && m.text().includes(`status of ${status}`);
    if (LET_GO.test(m.text())) return;
    if ((m.type() === 'error' || m.type() === 'warning') && !expected) faults.push(`console: ${m.text()}`);
  });
  page.on('pageerror', (e) => faults.push(`console: ${e.stack ?? e}`));
  page.on('request', (r) => {
    if (/^https?:/.test(r.url()) && new URL(r.url()).host !== new URL(url).host) faults.push(`foreign: ${r.url()}`);
  });
  await page.addInitScript(watch);
  await prepare?.(page);
  const answer = await page.goto(url, { waitUntil: 'load' });
  // A page that polls is never quiet for long.
  await page.waitForLoadState('networkidle', { timeout: 5000 }).catch(() => {});
  if (answer?.status() !== status) faults.push(`status: ${answer?.status()} instead of ${status}`);
  await page.evaluate(axe);
  faults.push(...(await violations(page)), ...(await wide(page)));
  // To its end, for what only comes into sight there, and back.
  await page.evaluate(async () => {
    for (const y of [document.documentElement.scrollHeight, 0]) {
      scrollTo(0, y);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
  });
  // Before anything is opened: that moves what is below, as it should.
  const { shift, shifted } = await page.evaluate(() => window.seen);
  if (shift >= SHIFT) faults.push(`shift: the layout has shifted by ${shift}: ${[...new Set(shifted)].slice(0, 6).join(', ')}`);
  const { faults: more, opened: count } = await opened(page);
  faults.push(...more);
  faults.push(...(await page.evaluate(() => window.seen.policy)).map((p) => `policy: ${p}`));
  await context.close();
  return { faults: [...new Set(faults)], opened: count };
}
