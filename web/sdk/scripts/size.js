// Prints what a page pays for the module, with the three transports, recovery and tabs, and fails if that is too much.

import { readdir, readFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** In bytes, gzip: for what a page loads that makes a client. What it shall come down to, and what it may be meanwhile. */
const AIM = 15_000;
const BUDGET = 16_050;

const code = await readFile(new URL('../dist/starling.js', import.meta.url));
const gzip = gzipSync(code, { level: 9 }).length;
const brotli = brotliCompressSync(code).length;
for (const name of await readdir(new URL('../dist/', import.meta.url))) {
  if (!name.endsWith('.js') || name === 'starling.js') continue;
  console.log(`${name}: gzip ${gzipSync(await readFile(new URL(`../dist/${name}`, import.meta.url)), { level: 9 }).length}`);
}
console.log(`starling.js: ${code.length} bytes, gzip ${gzip} (budget ${BUDGET}, aim ${AIM}), brotli ${brotli}`);
if (gzip > BUDGET) {
  console.error(`That is ${gzip - BUDGET} bytes too many. What is in it:`);
  const { metafile } = await build({ entryPoints: ['src/index.ts'], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, metafile: true, external: ['./keeping.js', './devtools/index.js'] });
  for (const output of Object.values(metafile.outputs)) {
    for (const [name, { bytesInOutput }] of Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)) console.error(`${String(bytesInOutput).padStart(7)} ${name}`);
  }
  process.exit(1);
}
