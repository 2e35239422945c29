// Every page that there is, in light and dark, on a phone and on a desk, with everything open that can be opened.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { inspect } from '../lib/inspect.js';
import { Server } from '../lib/server.js';

/** The pages by their own list; the one for what is not there is asked for where nothing is. */
const pages = JSON.parse(await readFile(new URL('../../apps/pages.json', import.meta.url), 'utf8'));
const routes = [
  ...pages.map(({ path }) => (path === '404' ? { path: 'not/here', status: 404 } : { path, status: 200 })),
  ...['?dir=rtl', 'design?dir=rtl'].map((path) => ({ path, status: 200 })),
];

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  await server.publish('chat', { from: 'Hazel Finch', text: 'Somebody was here before.' });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// LOOKS=2 is for those who have little time: narrow and light, wide and dark.
const few = process.env.LOOKS === '2';

let opened = 0;
for (const { path, status } of routes) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of few ? [colorScheme === 'light' ? 360 : 1280] : [360, 1280]) {
      test(`/${path}: ${colorScheme}, ${width} px`, async () => {
        const result = await inspect(browser, `${server.url}/${path}`, { status, width, colorScheme });
        assert.deepEqual(result.faults, []);
        opened += result.opened;
      });
    }
  }
}

test('dialogs and menus were opened', () => {
  assert.ok(opened > (few ? 10 : 20), `only ${opened} were found`);
});
