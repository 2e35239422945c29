// A visitor's window on the first page.

import { Window } from './browser.js';

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {object} o
 */
export const openHome = (browser, url, o) => Window.open(browser, url, { page: '', ...o });

/** Waits until the connection says so. */
export const connection = (w, word = 'live over') => w.page.waitForFunction((want) => document.querySelector('.live .status')?.textContent?.startsWith(want), word);

export async function say(w, text) {
  await w.page.fill('.live textarea', text);
  await w.page.press('.live textarea', 'Enter');
}

/** Waits until as many entries are in the log, and returns their texts. */
export async function stored(w, n) {
  await w.page.waitForFunction((want) => document.querySelectorAll('.said.stored').length >= want, n);
  return w.page.$$eval('.said.stored .said-text', (all) => all.map((e) => e.textContent));
}
