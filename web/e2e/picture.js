// Takes the picture for the README from the real page: two windows side by side, one
// file for light and one for dark.
//
//	node picture.js FOLDER

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { launch, Window } from './lib/browser.js';
import { Server } from './lib/server.js';

const folder = process.argv[2] ?? '.';
await mkdir(folder, { recursive: true });
const width = 700;
const height = 900;

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
for (const colorScheme of ['light', 'dark']) {
  const context = { channel: 'lobby', colorScheme, viewport: { width, height }, deviceScaleFactor: 2, reducedMotion: 'reduce', locale: 'en-GB' };
  const windows = [await Window.open(browser, server.url, context), await Window.open(browser, server.url, { ...context, transport: 'sse' })];
  for (const [i, name] of ['Hazel Finch', 'Misty Curlew'].entries()) {
    await windows[i].state('live');
    await windows[i].page.fill('#name', name);
    await windows[i].page.press('#name', 'Tab');
  }
  if (colorScheme === 'light') {
    for (const [n, [who, text]] of said.entries()) {
      await windows[who].say(text);
      for (const w of windows) await w.stored(n + 1);
      if (n === 3) {
        await server.kill();
        await server.run();
        for (const w of windows) await w.state('live');
      }
    }
    // So that the second picture shows the same visitors in the same windows.
    said.ids = await Promise.all(windows.map((w) => w.page.evaluate(() => sessionStorage.getItem('starling.window'))));
  } else {
    for (const [i, w] of windows.entries()) {
      await w.page.evaluate((id) => sessionStorage.setItem('starling.window', id), said.ids[i]);
      await w.page.reload();
      await w.state('live');
    }
  }
  const shots = [];
  for (const w of windows) {
    await w.stored(said.length);
    await w.page.evaluate(() => {
      document.activeElement?.blur();
      scrollTo(0, 0);
    });
    shots.push((await w.page.screenshot()).toString('base64'));
  }
  // Both on one sheet.
  const sheet = await (await browser.newContext({ viewport: { width: 2 * width + 72, height: height + 48 }, deviceScaleFactor: 1.5 })).newPage();
  const [back, edge] = colorScheme === 'light' ? ['#e4e2d8', '#c9c6b8'] : ['#08090e', '#2d3040'];
  await sheet.setContent(`<style>body{margin:0;display:flex;gap:24px;padding:24px;background:${back}}
    img{width:${width}px;height:${height}px;border-radius:12px;outline:1px solid ${edge};box-shadow:0 12px 32px #0003}</style>
    ${shots.map((s) => `<img alt="" src="data:image/png;base64,${s}">`).join('')}`);
  await sheet.screenshot({ path: path.join(folder, `two-windows-${colorScheme}.png`) });
  await sheet.context().close();
  for (const w of windows) await w.close({ outage: true });
}
await browser.close();
await server.stop();
