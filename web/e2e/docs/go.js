// Blocks of Go: all are compiled within this module; what is a program, or has tests, runs.

import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../lib/server.js';

const module = 'github.com/starling-rt/starling';

/** What a fragment may use without importing it, by the name that it has there. */
const imports = {
  auth: `${module}/auth`, client: `${module}/client`, natslog: `${module}/eventlog/natslog`, ot: `${module}/ot`, pebblelog: `${module}/eventlog/pebblelog`,
  starling: module, starlingtest: `${module}/starlingtest`, text: `${module}/ot/text`, yjs: `${module}/yjs`,
  context: 'context', errors: 'errors', fmt: 'fmt', http: 'net/http', io: 'io', json: 'encoding/json', log: 'log', os: 'os', slices: 'slices', strings: 'strings', testing: 'testing', time: 'time',
};

function run(cwd, command, ...args) {
  return new Promise((end) => {
    const p = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, GOFLAGS: '' } });
    let said = '';
    for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
    p.once('exit', (code) => end({ code, said }));
  });
}

/** The file that a block stands for; the line of the block's first line in it. */
function fileOf(block) {
  const page = block.page.pages.get('go') ?? '';
  if (/^package /m.test(block.code)) return { source: block.code, first: 1 };
  const code = block.code.replaceAll('{ … }', '{ }');
  const declares = /^(func|type|var|const)\b/.test(code.trimStart());
  const wrapped = block.before.includes('func ') || declares ? [block.before, block.after] : [`${block.before}\nfunc block() {`, `}\n${block.after}`];
  const used = [page, block.before, code, block.after].join('\n');
  const needed = Object.entries(imports).filter(([name]) => new RegExp(`\\b${name}\\.[A-Z]`).test(used) || used.includes(`testing.T`) && name === 'testing');
  const head = `package block\n\nimport (\n${needed.map(([name, from]) => `\t${name} "${from}"`).join('\n')}\n)\n${page}\n${wrapped[0]}\n`;
  return { source: `${head}${code}\n${wrapped[1]}\n`, first: head.split('\n').length };
}

/** Runs a program that serves: it must answer. */
async function serve(context, overlay, b) {
  const binary = path.join(context.temp, `${b.name}.bin`);
  const built = await run(context.root, 'go', 'build', '-overlay', overlay, '-o', binary, `./${b.folder}`);
  if (built.code !== 0) return built.said;
  const cwd = path.join(context.temp, b.name);
  await mkdir(cwd, { recursive: true });
  const p = spawn(binary, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
  const exited = new Promise((end) => p.once('exit', end));
  try {
    for (let i = 0; i < 200; i++) {
      if (p.exitCode !== null) return `it has ended:\n${said}`;
      const r = await fetch(`http://localhost:${b.port}/poll?channel=a`).catch(() => null);
      if (r) return r.ok ? '' : `${r.status} ${await r.text()}`;
      await new Promise((end) => setTimeout(end, 50));
    }
    return `it did not answer:\n${said}`;
  } finally {
    p.kill('SIGKILL');
    await exited;
  }
}

export async function runGo(context, blocks, done) {
  const replace = {};
  const all = [];
  for (const [i, block] of blocks.entries()) {
    const b = { block, name: `block${i}`, folder: `internal/docsblock${i}`, ...fileOf(block), port: await freePort() };
    b.tests = /func (Test|Example)/.test(b.source);
    b.main = /^package main/m.test(b.source);
    const file = path.join(context.temp, `${b.name}.go`);
    await writeFile(file, b.source.replaceAll('localhost:8080', `localhost:${b.port}`));
    replace[path.join(context.root, b.folder, b.tests ? 'block_test.go' : 'block.go')] = file;
    if (b.tests) {
      const empty = path.join(context.temp, `${b.name}-doc.go`);
      await writeFile(empty, 'package block\n');
      replace[path.join(context.root, b.folder, 'doc.go')] = empty;
    }
    all.push(b);
  }
  const overlay = path.join(context.temp, 'overlay.json');
  await writeFile(overlay, JSON.stringify({ Replace: replace }));
  // Fragments declare what only their readers use; that alone is no mistake.
  const plain = all.filter((b) => !b.tests);
  const { said } = await run(context.root, 'go', 'build', '-gcflags=-e', '-overlay', overlay, '-o', '/dev/null', ...plain.map((b) => `./${b.folder}`));
  const troubles = said.split('\n').filter((l) => !/declared and not used|imported and not used|^#|^\s*$/.test(l));
  for (const b of plain) {
    const own = troubles.filter((l) => l.includes(`${b.folder}/`) || l.includes(`${b.name}.go:`));
    const where = own.map((l) => l.replace(/^.*?:(\d+):\d+: /, (_, line) => `line ${Number(line) - b.first + 1 + b.block.line}: `)).join('\n');
    b.trouble = where;
  }
  const strange = troubles.filter((l) => !all.some((b) => l.includes(`${b.folder}/`) || l.includes(`${b.name}.go:`)));
  if (strange.length > 0 && blocks.length > 0) done(blocks[0], 'run', `go build: ${strange.join('\n')}`);
  for (const b of plain) {
    if (!b.trouble && b.main) b.trouble = await serve(context, overlay, b);
    done(b.block, b.main ? 'run' : 'checked', b.trouble);
  }
  for (const b of all.filter((x) => x.tests)) {
    const binary = path.join(context.temp, `${b.name}.test`); // the folder exists for the compiler alone
    const built = await run(context.root, 'go', 'test', '-c', '-vet=off', '-overlay', overlay, '-o', binary, `./${b.folder}`);
    const r = built.code === 0 ? await run(context.temp, binary) : built;
    done(b.block, 'run', r.code === 0 ? '' : r.said);
  }
}
