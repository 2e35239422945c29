// Takes the pictures for the README and the docs from the real pages, in light and dark: two windows side by side, and
// pages on a phone and on a desk.
//
//	node picture.js FOLDER [light | dark]

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { launch } from './lib/browser.js';
import { connection, openHome, say, stored } from './lib/home.js';
import { Server } from './lib/server.js';

const folder = process.argv[2] ?? '.';
await mkdir(folder, { recursive: true });
const width = 660;
const height = 1060;

const said = [
  [0, 'I kill the server every few minutes. Has anything been lost on your side?'],
  [1, 'Nothing, and nothing came twice.'],
  [0, 'Same here. You are on long polling, aren’t you?'],
  [1, 'I was. I switched to SSE while you wrote that.'],
  [0, 'Then I go on over the WebSocket. One more kill -9?'],
  [1, 'Do it while I type.'],
];

const server = await Server.start();
const browser = await launch();

/** A page that has time: pictures are taken in no hurry. */
async function newPage(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(240_000);
  return page;
}

/** Writes a picture as WebP, which the browser makes of it. */
async function write(name, png) {
  const page = await newPage(await browser.newContext());
  const url = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d')?.drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.86);
  }, png.toString('base64'));
  await writeFile(path.join(folder, `${name}.webp`), Buffer.from(url.split(',')[1], 'base64'));
  await page.context().close();
}

/** The view of a page when it has come to rest, from its top. */
async function shot(page) {
  await page.evaluate(() => {
    document.activeElement?.blur();
    scrollTo(0, 0);
  });
  return page.screenshot();
}

for (const colorScheme of process.argv[3] ? [process.argv[3]] : ['light', 'dark']) {
  const channel = `lobby-${colorScheme}`;
  const context = { channel, colorScheme, viewport: { width, height }, deviceScaleFactor: 2, reducedMotion: 'reduce', locale: 'en-GB' };
  const windows = [await openHome(browser, server.url, { ...context, transport: 'websocket' }), await openHome(browser, server.url, { ...context, transport: 'sse' })];
  for (const w of windows) w.page.setDefaultTimeout(240_000);
  for (const [i, name] of ['Hazel Finch', 'Misty Curlew'].entries()) {
    await connection(windows[i]);
    await windows[i].page.fill('.live-name input', name);
  }
  for (const [n, [who, text]] of said.entries()) {
    await say(windows[who], text);
    for (const w of windows) await stored(w, n + 1);
    if (n !== 3) continue;
    await server.kill();
    await server.run();
    for (const w of windows) await connection(w);
  }
  const shots = [];
  for (const w of windows) {
    await stored(w, said.length);
    await w.page.waitForFunction(() => document.querySelector('#windows')?.textContent === '2' && document.querySelector('#round-trip')?.textContent !== '–');
    shots.push((await shot(w.page)).toString('base64'));
  }
  // Both on one sheet.
  const sheet = await newPage(await browser.newContext({ viewport: { width: 2 * width + 72, height: height + 48 }, deviceScaleFactor: 1.5 }));
  const [back, edge] = colorScheme === 'light' ? ['#dde4e4', '#c3cdcd'] : ['#06090c', '#2a363c'];
  await sheet.setContent(`<style>body{margin:0;display:flex;gap:24px;padding:24px;background:${back}}
    img{width:${width}px;height:${height}px;border-radius:12px;outline:1px solid ${edge};box-shadow:0 12px 32px #0003}</style>
    ${shots.map((s) => `<img alt="" src="data:image/png;base64,${s}">`).join('')}`);
  await write(`two-windows-${colorScheme}`, await sheet.screenshot());
  await sheet.context().close();
  for (const w of windows) await w.close({ outage: true });

  for (const [device, viewport] of Object.entries({ phone: { width: 360, height: 740 }, desk: { width: 1280, height: 800 } })) {
    for (const [name, route] of [['home', `?channel=${channel}`], ['design', 'design#controls'], ['playground', `playground?channel=${channel}`]]) {
      const view = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 1.5, reducedMotion: 'reduce', locale: 'en-GB' });
      const page = await newPage(view);
      await page.goto(`${server.url}/${route}`, { waitUntil: 'networkidle' });
      if (name !== 'design') await page.waitForSelector('.stored');
      await write(`${name}-${device}-${colorScheme}`, name === 'design' ? await page.screenshot() : await shot(page));
      await view.close();
    }
  }
}
await browser.close();
await server.stop();
