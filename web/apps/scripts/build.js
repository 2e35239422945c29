// Builds the pages into web/dist/apps, with what is sent compressed beside.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the binary serves, and so what is kept beside the sources. */
export const served = fileURLToPath(new URL('../../dist/apps', import.meta.url));

const TEXT = /\.(html|js|css|svg|json|txt)$/;
/** What is smaller is not worth a second file. */
const LEAST = 1024;

/**
 * The files below a folder, by name.
 *
 * @param {string} folder
 * @returns {Promise<Map<string, Buffer>>}
 */
export async function contents(folder) {
  const all = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    all.set(path.relative(folder, file).replaceAll(path.sep, '/'), await readFile(file));
  }
  return all;
}

/**
 * Builds into a folder.
 *
 * @param {string} folder
 */
export async function buildInto(folder) {
  await build({ root, configFile: path.join(root, 'vite.config.js'), logLevel: 'warn', build: { outDir: folder } });
  for (const [name, body] of await contents(folder)) {
    if (!TEXT.test(name) || body.length < LEAST) continue;
    const br = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } });
    const gz = gzipSync(body, { level: 9 });
    await writeFile(path.join(folder, `${name}.br`), br);
    await writeFile(path.join(folder, `${name}.gz`), gz);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildInto(served);
  let total = 0;
  for (const [name, body] of await contents(served)) {
    if (/\.(br|gz)$/.test(name)) continue;
    total += body.length;
    console.log(`${String(body.length).padStart(8)} ${name}`);
  }
  console.log(`${String(total).padStart(8)} bytes`);
}
