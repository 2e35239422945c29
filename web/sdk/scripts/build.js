// Builds the package into dist/: one minified module, its map, and the types.

import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a page gets from the server's /sdk/, and so what is kept beside the sources. */
export const served = fileURLToPath(new URL('../../dist/sdk', import.meta.url));

/**
 * Builds into a folder.
 *
 * @param {string} folder
 */
export async function buildInto(folder) {
  await rm(folder, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: `${folder}/starling.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'external',
    legalComments: 'none',
    banner: { js: '/* Starling, @starling-rt/client. Apache 2.0. */' },
  });
  execFileSync('npx', ['tsc', '-p', 'tsconfig.types.json', '--outDir', `${folder}/types`], { cwd: root, stdio: 'inherit' });
  // The types stand beside the module under its name.
  await writeFile(`${folder}/starling.d.ts`, "export * from './types/index.js';\n");
}

/**
 * Copies what the server serves.
 *
 * @param {string} from
 * @param {string} to
 */
export async function copyServed(from, to) {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const name of ['starling.js', 'starling.d.ts', 'types']) await cp(`${from}/${name}`, `${to}/${name}`, { recursive: true });
}

/**
 * The files below a folder, by name.
 *
 * @param {string} folder
 * @returns {Promise<Map<string, string>>}
 */
export async function contents(folder) {
  const all = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    all.set(path.slice(folder.length + 1), await readFile(path, 'utf8'));
  }
  return all;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildInto(`${root}dist`);
  await copyServed(`${root}dist`, served);
}
