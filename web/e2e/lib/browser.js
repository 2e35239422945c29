// One Chromium, and windows in it that are as far apart as two visitors.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => existsSync(p));

export const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export function launch() {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** What Chromium says of requests that fail because the server is away, or still busy with the one before. */
const AWAY = /net::ERR_|WebSocket connection to|the server responded with a status of (400|401|403|404|409|410|413|503)/;

/** A client that may choose lets go of the WebSocket when that is slow and another transport is there first. */
export const LET_GO = /WebSocket is closed before the connection is established/;

/** A visitor's window on the page. */
export class Window {
  static async open(browser, url, { page = 'playground', channel = 'e2e', transport = 'websocket', script, ...context } = {}) {
    const w = new Window();
    w.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context });
    w.page = await w.context.newPage();
    w.page.setDefaultTimeout(40_000);
    w.complaints = [];
    w.outages = [];
    w.foreign = [];
    w.page.on('console', (m) => {
      if (transport === 'auto' && LET_GO.test(m.text())) return;
      if (m.type() === 'error' || m.type() === 'warning') (AWAY.test(m.text()) ? w.outages : w.complaints).push(m.text());
    });
    w.page.on('pageerror', (e) => w.complaints.push(e.stack ?? String(e)));
    w.page.on('request', (r) => {
      if (new URL(r.url()).host !== new URL(url).host) w.foreign.push(r.url());
    });
    await w.page.addInitScript(() => {
      window.shifted = 0;
      new PerformanceObserver((list) => {
        for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifted += e.value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    if (script) await w.page.addInitScript(script);
    const channels = [channel].flat().map((c) => `channel=${encodeURIComponent(c)}`).join('&');
    await w.page.goto(`${url}/${page}?${channels}&transport=${transport}`);
    return w;
  }

  /** Waits for the connection to be in a state; live is with all its channels. */
  state(name) {
    return this.page.waitForFunction((want) => {
      const channels = [...document.querySelectorAll('.talk .state')];
      return document.querySelector('#state')?.dataset.state === want && (want !== 'live' || channels.every((c) => c.dataset.state === 'live'));
    }, name);
  }

  async say(text) {
    await this.page.fill('.talk textarea', text);
    await this.page.press('.talk textarea', 'Enter');
  }

  use(transport) {
    return this.page.check(`[name=transport][value=${transport}]`, { force: true });
  }

  /** What is shown, from top to bottom. */
  rows() {
    return this.page.$$eval('.talk .messages > li', (all) => all.map((li) => ({
      gap: li.classList.contains('gap'),
      text: li.querySelector('.text')?.textContent ?? li.textContent,
      own: li.classList.contains('own'),
      state: ['waiting', 'refused', 'stored'].find((s) => li.classList.contains(s)),
      offset: Number(li.querySelector('.gutter')?.textContent),
    })));
  }

  /** Waits until as many messages are shown as stored, and returns their texts. */
  async stored(n) {
    await this.page.waitForFunction((want) => document.querySelectorAll('.message.stored').length >= want, n);
    return (await this.rows()).filter((r) => r.state === 'stored').map((r) => r.text);
  }

  /** Closes it, after nothing was wrong but what was to be expected. */
  async close({ outage = false } = {}) {
    await this.context.close();
    assert.deepEqual(this.complaints, [], 'the console has complaints');
    assert.deepEqual(this.foreign, [], 'the page asks other servers');
    if (!outage) assert.deepEqual(this.outages, [], 'requests have failed');
  }
}
