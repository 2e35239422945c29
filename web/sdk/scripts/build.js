// Builds the package into dist/: a minified module for each subpath, the maps, and the types.

import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';
import { exposed, short, shortened } from './names.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a page gets from the server's /sdk/, and so what is kept beside the sources. */
export const served = fileURLToPath(new URL('../../dist/sdk', import.meta.url));

/** What is built: each stands for itself, and loads the others only by their names. */
const entries = { starling: 'src/index.ts', react: 'src/react/index.ts', testing: 'src/testing/index.ts', devtools: 'src/devtools/index.ts', outbox: 'src/keeping.ts' };

/** Leaves what is an entry of its own out, and names it as it is called beside. */
const apart = {
  name: 'apart',
  /** @param {import('esbuild').PluginBuild} build */
  setup(build) {
    for (const [name, source] of Object.entries(entries)) {
      const file = `${root}${source}`;
      build.onResolve({ filter: /^\./ }, ({ path: to, resolveDir, kind }) => {
        if (kind === 'entry-point' || path.resolve(resolveDir, to).replace(/\.js$/, '.ts') !== file) return undefined;
        return { path: `./${name}.js`, external: true };
      });
    }
  },
};

/**
 * Builds into a folder.
 *
 * @param {string} folder
 */
export async function buildInto(folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(entries).map(([out, file]) => ({ in: file, out })),
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    sourcemap: 'external',
    mangleProps: shortened,
    mangleCache: short,
    legalComments: 'none',
    external: ['react'],
    plugins: [apart],
  });
  for (const { path: file, text } of outputFiles.filter((f) => f.path.endsWith('.js'))) {
    const map = outputFiles.find((f) => f.path === `${file}.map`)?.text ?? '';
    // esbuild alone makes the core 600 bytes (gzip) more.
    const small = await minify(text, {
      module: true,
      ecma: 2020,
      compress: { passes: 3, pure_getters: true, unsafe_arrows: true },
      format: { preamble: '/* Starling, @starling-rt/client. Apache 2.0. */' },
      sourceMap: { content: map },
    });
    await writeFile(file, `${small.code}\n`);
    await writeFile(`${file}.map`, String(small.map));
  }
  execFileSync('npx', ['tsc', '-p', 'tsconfig.types.json', '--outDir', `${folder}/types`], { cwd: root, stdio: 'inherit' });
  const wrong = exposed([...(await contents(`${folder}/types`)).values()].join('\n'));
  if (wrong.length > 0) throw new Error(`These names are public, so they cannot be shortened: ${wrong.join(', ')}`);
  // The types stand beside the modules under their names.
  for (const [name, source] of Object.entries(entries)) await writeFile(`${folder}/${name}.d.ts`, `export * from './types/${source.slice(4, -3)}.js';\n`);
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
  const names = (await readdir(from)).filter((name) => !name.endsWith('.map'));
  for (const name of names) await cp(`${from}/${name}`, `${to}/${name}`, { recursive: true });
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
    const file = `${entry.parentPath}/${entry.name}`;
    if (!file.endsWith('.map')) all.set(file.slice(folder.length + 1), await readFile(file, 'utf8'));
  }
  return all;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildInto(`${root}dist`);
  await copyServed(`${root}dist`, served);
}
