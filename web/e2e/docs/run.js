// Runs every block of code of the documentation and the README, as its reader would, against the real binary; with arguments
// only those whose place begins so: README.md, or docs/guides/auth.md:24.

import { readdir, readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server } from '../lib/server.js';
import { parse, TEXT } from './blocks.js';
import { runConfig, runJSON } from './config.js';
import { runGo } from './go.js';
import { runScripts } from './script.js';
import { Shell } from './shell.js';
import { runTranscript } from './transcript.js';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Long enough for a token's secret. */
const SECRET = 'a secret of the documentation, as long as it has to be';

async function pages(server) {
  const names = ['README.md', ...(await readdir(path.join(root, 'docs'), { recursive: true })).filter((f) => f.endsWith('.md')).sort().map((f) => `docs/${f}`), 'examples/vite/README.md', 'web/sdk/README.md'];
  const all = [];
  for (const name of names) all.push(parse(name, await readFile(path.join(root, name), 'utf8')));
  // What the references show comes from comments in the sources, and is there only when it is served.
  const guide = (name) => all.find((page) => page.file === `docs/guides/${name}.md`).pages;
  for (const [name, pages] of [['api/client', guide('javascript')], ['api/react', guide('javascript')], ['api/devtools', guide('javascript')], ['api/testing', guide('testing')]]) {
    const r = await fetch(`${server.url}/docs/${name}.md`);
    if (!r.ok) throw new Error(`${name}.md: ${r.status}`);
    all.push({ ...parse(`/docs/${name}.md`, await r.text()), pages });
  }
  return all;
}

const server = await Server.start('--token-hmac-secret', SECRET);
const temp = await mkdtemp(path.join(tmpdir(), 'starling-docs-'));
const context = { root, temp, server, secret: SECRET };
const failures = [];
const counts = { run: 0, checked: 0, excused: 0, text: 0 };
const excused = [];
const started = Date.now();

/** Notes how a block went. */
export function done(block, kind, trouble) {
  if (trouble) failures.push(`${block.file}:${block.line} (${block.lang}): ${trouble}`);
  else counts[kind]++;
}

try {
  const all = await pages(server);
  const todo = [];
  const only = process.argv.slice(2);
  for (const page of all) {
    for (const b of page.blocks) {
      if (only.length > 0 && !only.some((place) => `${b.file}:${b.line}`.startsWith(place))) continue;
      if (b.lang === TEXT) counts.text++;
      else if (b.lang === 'dts') continue; // declarations, made from those that the compiler has written
      else if (b.how === 'excused') {
        counts.excused++;
        excused.push(`${b.file}:${b.line} (${b.lang}): ${b.said}`);
      } else todo.push({ ...b, page });
    }
  }
  const of = (...langs) => todo.filter((b) => langs.includes(b.lang));
  const [go, scripts] = [of('go'), of('ts', 'tsx', 'js', 'html')];
  const known = ['go', 'ts', 'tsx', 'js', 'html', 'sh', 'python', 'console', 'wire', 'json', 'yaml'];
  for (const b of todo) if (!known.includes(b.lang)) done(b, 'run', b.lang ? `nobody knows how to run ${b.lang}` : 'it does not name its language; "text" is for what is no code');
  for (const b of of('json')) runJSON(b, done);
  await Promise.all([
    runGo(context, go, done),
    (async () => {
      const scene = await runScripts(context, scripts, done);
      for (const page of all) {
        const shell = new Shell(context, page);
        for (const b of todo.filter((x) => x.page === page)) {
          if (b.lang === 'sh' || b.lang === 'python') await shell.run(b, done);
          else if (b.lang === 'yaml') await runConfig(context, shell, b, done);
          else if (b.lang === 'console' || b.lang === 'wire') await runTranscript(context, b, done);
        }
        await shell.close();
      }
      await scene.finish(done);
    })(),
  ]);
} finally {
  await server.stop();
  await rm(temp, { recursive: true, force: true });
}

for (const e of excused) console.log(`excused: ${e}`);
for (const f of failures) console.error(`\nFAILED ${f}`);
console.log(`\n${counts.run} blocks ran, ${counts.checked} were compiled or parsed, ${counts.excused} were excused, ${counts.text} are no code; ${Math.round((Date.now() - started) / 1000)} s`);
process.exit(failures.length > 0 ? 1 : 0);
