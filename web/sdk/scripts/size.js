// Prints what a page pays for the module, and fails if that is too much.

import { readFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** In bytes, gzip. The core may have 15,000 in the end; tabs share this. */
const BUDGET = 12_800;

const code = await readFile(new URL('../dist/starling.js', import.meta.url));
const gzip = gzipSync(code, { level: 9 }).length;
const brotli = brotliCompressSync(code).length;
console.log(`starling.js: ${code.length} bytes, gzip ${gzip} (budget ${BUDGET}), brotli ${brotli}`);
if (gzip > BUDGET) {
  console.error(`That is ${gzip - BUDGET} bytes too many. What is in it:`);
  const { metafile } = await build({ entryPoints: ['src/index.ts'], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, metafile: true });
  for (const output of Object.values(metafile.outputs)) {
    for (const [name, { bytesInOutput }] of Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)) console.error(`${String(bytesInOutput).padStart(7)} ${name}`);
  }
  process.exit(1);
}
