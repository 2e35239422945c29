// Takes the pictures of the Lab for the docs: each scenario while something happens in it, on a phone and on a desk, in
// light and dark.
//
//	node lab-picture.js FOLDER

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { launch } from './lib/browser.js';
import { Server } from './lib/server.js';
import { webp } from './lib/webp.js';

const folder = process.argv[2] ?? '.';
await mkdir(folder, { recursive: true });

/** What is done in a scenario before its picture is taken. */
const deeds = {
  transports: async (page) => {
    await page.getByText(/^Use /).waitFor();
  },
  ticker: async (page) => {
    await page.waitForFunction(() => Number(document.querySelector('[data-conflated]')?.dataset.conflated) > 20_000);
  },
  log: async (page) => {
    await page.waitForFunction(() => Number(document.querySelector('[data-entries]')?.dataset.entries) >= 24);
    await page.getByPlaceholder('A new card').fill('Count the birds');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.locator('[data-card="Count the birds"]').waitFor();
    await page.getByRole('button', { name: 'Undo', exact: true }).first().click();
    await page.locator('[data-card="Count the birds"]').waitFor({ state: 'detached' });
  },
  failure: async (page) => {
    await page.waitForFunction(() => Number(document.querySelector('[data-received]')?.dataset.received) > 40);
    await page.getByRole('button', { name: 'Go offline' }).click();
    await page.waitForFunction(() => Number(document.querySelector('[data-replayed]')?.dataset.replayed) > 20);
    await page.getByText('Nothing is missing and nothing is doubled.', { exact: false }).waitFor();
  },
};
const routes = { transports: 'transports?seed=7&rate=20', ticker: 'ticker?seed=3&slow=4', log: 'log?seed=5', failure: 'failure?seed=6' };

const server = await Server.start();
const browser = await launch();
for (const colorScheme of ['light', 'dark']) {
  for (const [device, viewport] of Object.entries({ phone: { width: 360, height: 740 }, desk: { width: 1280, height: 1000 } })) {
    for (const [name, route] of Object.entries(routes)) {
      const view = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 1.5, reducedMotion: 'reduce', locale: 'en-GB' });
      const page = await view.newPage();
      page.setDefaultTimeout(120_000);
      await page.goto(`${server.url}/lab/${route}`);
      await deeds[name](page);
      await page.evaluate(() => {
        document.activeElement?.blur();
        scrollTo(0, 0);
      });
      await writeFile(path.join(folder, `lab-${name}-${device}-${colorScheme}.webp`), await webp(browser, await page.screenshot()));
      await view.close();
    }
  }
}
await browser.close();
await server.stop();
