// Blocks of JavaScript, TypeScript and HTML: they are type-checked against the package that the binary serves, and run in a real
// Chromium, in a page of the server, unless they say that they are for Node.

import { spawn } from 'node:child_process';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run as command } from '../install/project.js';
import { chromium } from 'playwright-core';
import { executablePath, FLAGS } from '../lib/browser.js';

/** The pages here are made up, and so to Chromium not of this machine: they may ask it all the same. */
const LOCAL = '--disable-features=LocalNetworkAccessChecks';

const SDK = 'web/sdk/node_modules';

/** Prepares a folder in which imports find what they find in a reader's project. */
async function prepare(context) {
  const folder = path.join(context.temp, 'scripts');
  const modules = path.join(folder, 'node_modules');
  await mkdir(path.join(modules, '@starling-rt/client'), { recursive: true });
  for (const from of [path.join(context.root, SDK), path.join(context.root, 'web/e2e/node_modules')]) {
    for (const name of await readdir(from)) {
      if (!name.startsWith('.')) await symlink(path.join(from, name), path.join(modules, name)).catch(() => {}); // both have it
    }
  }
  const r = await fetch(`${context.server.url}/sdk/starling.tgz`);
  await writeFile(path.join(folder, 'client.tgz'), Buffer.from(await r.arrayBuffer()));
  await command(folder, {}, 'tar', '-xzf', 'client.tgz', '--strip-components=1', '-C', path.join(modules, '@starling-rt/client'));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}\n');
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'es2023', module: 'esnext', moduleResolution: 'bundler', lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'], jsx: 'react-jsx',
      strict: true, noEmit: true, isolatedModules: true, skipLibCheck: true, allowImportingTsExtensions: true, types: ['node'],
    },
    include: ['*.ts', '*.tsx'],
  }));
  return folder;
}

/** Writes the file that a block stands for; what all blocks of its page begin with is a module of its own. */
async function write(context, folder, block, i, contexts) {
  const page = block.page.pages.get('ts');
  const typed = block.lang === 'ts' || block.lang === 'tsx';
  let head = '';
  if (page && typed && block.how !== 'node') {
    const name = `page${[...block.file].map((c) => (/\w/.test(c) ? c : '_')).join('')}`;
    if (!contexts.has(name)) {
      contexts.add(name);
      await writeFile(path.join(folder, `${name}.tsx`), translate(context, page));
    }
    head = `import './${name}.tsx'; `;
  }
  const before = block.before ? `${block.before}\n` : '';
  const name = `block${i}.${typed ? block.lang : 'mjs'}`;
  const source = `${head}${before}${block.code}\n${block.after}${typed ? '\nexport {}' : ''}\n`;
  await writeFile(path.join(folder, name), translate(context, source));
  return { block, name, first: before.split('\n').length };
}

const translate = (context, text) => text.replaceAll('localhost:8080', `localhost:${context.server.port}`);

/** The troubles that the compiler has, by file. */
async function check(context, folder) {
  const said = await command(folder, {}, path.join(context.root, SDK, '.bin/tsc'), '-p', '.').then(() => '', (e) => e.message);
  const troubles = new Map();
  for (const m of said.matchAll(/^(\w+\.tsx?)\((\d+),\d+\): (.*(?:\n {2}.*)*)/gm)) troubles.set(m[1], [...(troubles.get(m[1]) ?? []), { line: Number(m[2]), text: m[3] }]);
  if (said && troubles.size === 0) throw new Error(said);
  return troubles;
}

/** What a page complains of, and what it logs. */
async function open(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.complaints = [];
  page.logged = [];
  page.on('pageerror', (e) => page.complaints.push(e.stack ?? String(e)));
  page.on('console', (m) => (m.type() === 'error' ? page.complaints : page.logged).push(m.text()));
  return page;
}

class Scene {
  constructor(context, browser) {
    this.context = context;
    this.browser = browser;
    this.open = [];
  }

  /** Shows what a server would serve at a path, in a page without a policy of its own. */
  async show(page, html, files = {}) {
    const { url } = this.context.server;
    await page.route(`${url}/block/**`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice('/block/'.length);
      if (name === '') await route.fulfill({ contentType: 'text/html', body: html });
      else if (files[name] !== undefined) await route.fulfill({ contentType: 'text/javascript', body: files[name] });
      else await route.continue();
    });
    await page.goto(`${url}/block/`);
  }

  /** Runs a module in a page, to its end. */
  async module(block, code, done) {
    const page = await open(this.browser);
    await this.show(page, '<!doctype html><link rel="icon" href="data:,"><body></body>', { 'main.js': code });
    const outcome = await page.evaluate((endless) => Promise.race([
      import('/block/main.js').then(() => 'ended', (e) => `it throws ${e?.stack ?? e}`),
      new Promise((end) => setTimeout(end, endless ? 1500 : 20_000, endless ? 'ended' : 'it does not end')),
    ]), block.how === 'endless');
    await page.waitForTimeout(200);
    const trouble = outcome === 'ended' ? page.complaints.join('\n') : `${outcome}\n${page.complaints.join('\n')}`;
    if (block.how === 'shows' && !trouble) return this.open.push({ block, page });
    await page.context().close();
    return done(block, 'run', trouble);
  }

  /** Opens a page; it stays open if it is to show something later. */
  async html(block, done) {
    const page = await open(this.browser);
    await this.show(page, translate(this.context, block.code));
    await page.waitForTimeout(500);
    if (block.how === 'shows') return this.open.push({ block, page });
    const trouble = page.complaints.join('\n');
    await page.context().close();
    return done(block, 'run', trouble);
  }

  /** Looks whether pages show by now what they are to show. */
  async finish(done) {
    for (const { block, page } of this.open) {
      const there = () => page.locator('body').innerText().then((text) => text.includes(block.said) || page.logged.some((l) => l.includes(block.said)));
      let trouble = '';
      for (const end = Date.now() + 30_000; !(await there()); await page.waitForTimeout(100)) {
        if (Date.now() < end) continue;
        trouble = `it does not show ${block.said} but ${await page.locator('body').innerText()}, and logs ${page.logged}`;
        break;
      }
      done(block, 'run', trouble || page.complaints.join('\n'));
    }
    await this.browser.close();
  }
}

/** Runs a file with Node. */
function node(context, folder, file) {
  return new Promise((end) => {
    const p = spawn('node', [file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, STARLING_URL: context.server.url, SECRET: context.secret } });
    let said = '';
    for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
    const timer = setTimeout(() => p.kill('SIGKILL'), 30_000);
    p.once('exit', (code) => {
      clearTimeout(timer);
      end(code === 0 ? '' : `it ended with ${code}:\n${said}`);
    });
  });
}

async function vitest(context, folder, file) {
  const config = path.join(folder, 'vitest.config.js');
  await writeFile(config, `export default { test: { include: ['${file}'], environment: 'node' } }\n`);
  return command(folder, {}, path.join(context.root, SDK, '.bin/vitest'), 'run', '--config', config).then(() => '', (e) => e.message);
}

/** Runs all scripts; pages that are to show something stay open until finish is called. */
export async function runScripts(context, blocks, done) {
  const [folder, browser] = await Promise.all([prepare(context), chromium.launch({ executablePath, args: [...FLAGS, LOCAL] })]);
  const scene = new Scene(context, browser);
  const contexts = new Set();
  const files = [];
  for (const [i, block] of blocks.entries()) if (block.lang !== 'html') files.push(await write(context, folder, block, i, contexts));
  const troubles = files.length > 0 ? await check(context, folder) : new Map();
  for (const [file, own] of troubles) if (contexts.has(file.replace('.tsx', ''))) done({ file, line: 1, lang: 'ts', how: '' }, 'run', own.map((t) => `line ${t.line}: ${t.text}`).join('\n'));
  const { rolldown } = await import('../../sdk/node_modules/rolldown/dist/index.mjs');
  const bundle = async (name, platform) => {
    const modules = await rolldown({
      input: path.join(folder, name), platform, logLevel: 'silent',
      transform: { target: 'es2022', jsx: { runtime: 'automatic' }, define: { 'process.env.NODE_ENV': '"development"' } },
      ...(platform === 'node' && { external: (id) => !/^[./]/.test(id) }),
    });
    const { output: [{ code }] } = await modules.generate({ format: 'esm', inlineDynamicImports: true });
    await modules.close();
    return code;
  };
  for (const { block, name, first } of files) {
    const own = troubles.get(name);
    if (own) {
      done(block, 'run', own.map((t) => `line ${t.line - first + 1 + block.line}: ${t.text}`).join('\n'));
      continue;
    }
    try {
      if (block.how === 'checked') done(block, 'checked', await bundle(name, 'browser').then(() => ''));
      else if (block.how === 'vitest') done(block, 'run', await vitest(context, folder, name));
      else if (block.how === 'node') {
        await writeFile(path.join(folder, `${name}.run.mjs`), await bundle(name, 'node'));
        done(block, 'run', await node(context, folder, `${name}.run.mjs`));
      } else await scene.module(block, await bundle(name, 'browser'), done);
    } catch (e) {
      done(block, 'run', `${e.message ?? e}`);
    }
  }
  for (const block of blocks.filter((b) => b.lang === 'html')) await scene.html(block, done);
  return scene;
}
