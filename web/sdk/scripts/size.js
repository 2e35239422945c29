// Prints what a page pays for the module, with the three transports, recovery and tabs, and fails if that is too much.

import { readdir, readFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { bundled } from './build.js';

/** In bytes, gzip: for what a page loads that makes a client. */
const BUDGET = 15_000;

const code = await readFile(new URL('../dist/starling.js', import.meta.url));
const gzip = gzipSync(code, { level: 9 }).length;
const brotli = brotliCompressSync(code).length;
for (const name of await readdir(new URL('../dist/', import.meta.url))) {
  if (!name.endsWith('.js') || name === 'starling.js') continue;
  console.log(`${name}: gzip ${gzipSync(await readFile(new URL(`../dist/${name}`, import.meta.url)), { level: 9 }).length}`);
}
console.log(`starling.js: ${code.length} bytes, gzip ${gzip} (budget ${BUDGET}), brotli ${brotli}`);
if (gzip > BUDGET) {
  console.error(`That is ${gzip - BUDGET} bytes too many. What is in it, before it is made small:`);
  const bundle = await bundled('starling');
  const { output: [{ modules }] } = await bundle.generate();
  await bundle.close();
  const parts = Object.entries(modules).sort(([, a], [, b]) => b.renderedLength - a.renderedLength);
  for (const [file, { renderedLength }] of parts) console.error(`${String(renderedLength).padStart(7)} ${file.split('/src/')[1]}`);
  process.exit(1);
}
