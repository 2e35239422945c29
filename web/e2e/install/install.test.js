// The package that the binary serves, installed into fresh applications and into the example, and used in a real Chromium.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, LET_GO } from '../lib/browser.js';
import { freePort, Server } from '../lib/server.js';
import { next, vite } from './apps.js';
import { Project } from './project.js';

const example = fileURLToPath(new URL('../../../examples/vite', import.meta.url));
const made = [];
let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await Promise.all(made.map((p) => p.remove()));
  await server?.stop();
});

async function make(name, files) {
  const p = await Project.make(name, files);
  made.push(p);
  return p;
}

/** Opens a page, and notes what it complains of. */
async function open(url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('console', (m) => {
    if ((m.type() === 'error' || m.type() === 'warning') && !LET_GO.test(m.text())) page.complaints.push(m.text());
  });
  await page.goto(url);
  return page;
}

const items = (page) => page.$$eval('li', (all) => all.map((li) => li.textContent));

/** A message from one page to another, each as far from the other as two visitors; then what the rest of the package does there. */
async function talk(url, title) {
  await server.publish('chat', { text: 'before' }, `before ${title}`);
  const [ann, bob] = await Promise.all([open(url), open(url)]);
  for (const page of [ann, bob]) await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'connected' && document.querySelector('li'));
  await ann.click('button');
  await bob.waitForFunction((text) => [...document.querySelectorAll('li')].at(-1)?.textContent === text, `from ${title}`);
  await bob.waitForFunction(() => document.querySelector('#signals')?.textContent === '1');
  assert.deepEqual(await items(bob), ['before', `from ${title}`]);
  await bob.waitForFunction(() => document.querySelector('#tried')?.textContent);
  assert.deepEqual(JSON.parse(await bob.textContent('#tried')), { heard: ['in memory'], shown: true, loaded: true, forbidden: 4101, trouble: true, error: 'function' });
  for (const page of [ann, bob]) {
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
  const r = await fetch(`${server.url}/api/v1/channels/chat`, { method: 'DELETE' });
  assert.equal(r.status, 200);
}

const install = (p) => p.run('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', `${server.url}/sdk/starling.tgz`);

test('a fresh Vite React TypeScript application', { timeout: 600_000 }, async (t) => {
  const p = await make('vite', vite);
  p.env.VITE_STARLING = server.url;
  await t.test('installs', () => install(p));
  await t.test('type-checks', () => p.run('npx', 'tsc', '-p', '.'));
  await t.test('imports every subpath in Node', async () => {
    const { exports } = JSON.parse(await readFile(path.join(p.folder, 'node_modules/@starling-rt/client/package.json'), 'utf8'));
    assert.deepEqual(Object.keys(exports).sort(), ['.', './devtools', './react', './testing']);
    for (const sub of Object.keys(exports)) {
      const name = `@starling-rt/client${sub.slice(1)}`;
      const said = await p.run('node', '--input-type=module', '-e', `console.log(Object.keys(await import('${name}')).length)`);
      assert.ok(Number(said) > 0, `${name} exports nothing`);
    }
  });
  await t.test('builds', () => p.run('npx', 'vite', 'build'));
  await t.test('sends a message in Chromium', async () => {
    const port = await freePort();
    const url = `http://localhost:${port}/`;
    await p.serve(url, 'npx', 'vite', 'preview', '--port', String(port), '--strictPort');
    await talk(url, 'vite');
  });
});

test('a fresh Next application', { timeout: 600_000 }, async (t) => {
  const p = await make('next', next);
  p.env.NEXT_PUBLIC_STARLING = server.url;
  await t.test('installs', () => install(p));
  await t.test('builds, and renders on the server', async () => {
    await p.run('npx', 'next', 'build');
    assert.match(await readFile(path.join(p.folder, '.next/server/app/index.html'), 'utf8'), /<p id="state">idle<\/p>/);
  });
  await t.test('type-checks', () => p.run('npx', 'tsc', '-p', '.'));
  await t.test('sends a message in Chromium', async () => {
    const port = await freePort();
    const url = `http://localhost:${port}/`;
    await p.serve(url, 'npx', 'next', 'start', '-p', String(port));
    await talk(url, 'next');
  });
});

test('examples/vite', { timeout: 600_000 }, async (t) => {
  const p = await make('example', example);
  p.env.STARLING_URL = server.url;
  for (const file of ['package.json', 'package-lock.json']) {
    const text = await readFile(path.join(example, file), 'utf8');
    assert.match(text, /http:\/\/localhost:8080\/sdk\/starling\.tgz/);
    await p.write(file, text.replaceAll('http://localhost:8080', server.url));
  }
  await t.test('installs what its lock names', () => p.run('npm', 'ci', '--no-audit', '--no-fund', '--prefer-offline'));
  await t.test('type-checks and builds', () => p.run('npm', 'run', 'build'));
  const port = await freePort();
  const url = `http://localhost:${port}/`;
  await t.test('starts its development server', () => p.serve(url, 'npx', 'vite', '--port', String(port), '--strictPort'));
  for (const transport of ['websocket', 'sse', 'poll']) {
    await t.test(`sends a message over ${transport} through Vite's proxy`, async () => {
      const [ann, bob] = await Promise.all([open(`${url}?transport=${transport}`), open(`${url}?transport=${transport}`)]);
      const asked = [];
      ann.on('request', (r) => asked.push(new URL(r.url()).host));
      for (const page of [ann, bob]) await page.getByText(`connected over ${transport}`).waitFor();
      for (const [from, to, text] of [[ann, bob, `${transport} there`], [bob, ann, `${transport} and back`]]) {
        await from.fill('input', text);
        await from.press('input', 'Enter');
        await to.getByText(text).waitFor();
      }
      assert.deepEqual((await items(ann)).slice(-2), [`${transport} there`, `${transport} and back`]);
      assert.deepEqual([...new Set(asked)].filter((host) => host !== new URL(url).host), [], 'the page asks others than Vite');
      for (const page of [ann, bob]) {
        assert.deepEqual(page.complaints, []);
        await page.context().close();
      }
    });
  }
});
