// Builds the package into dist/: a minified module for each subpath, the maps, and the types.

import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { exposed, short, shortened } from './names.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a page gets from the server's /sdk/, and so what is kept beside the sources. */
export const served = fileURLToPath(new URL('../../dist/sdk', import.meta.url));

/** What every browser of the last years knows. */
const target = 'es2022';

/** What is built: each stands for itself, and loads the others only by their names. */
const entries = { starling: 'src/index.ts', react: 'src/react/index.ts', testing: 'src/testing/index.ts', devtools: 'src/devtools/index.ts', outbox: 'src/keeping.ts' };

/**
 * Leaves what is an entry of its own out, and names it as it is called beside.
 *
 * @type {import('rolldown').Plugin}
 */
const apart = {
  name: 'apart',
  resolveId(to, from) {
    if (!from) return null;
    const file = path.resolve(path.dirname(from), to).replace(/\.js$/, '.ts');
    const entry = Object.entries(entries).find(([, source]) => file === root + source);
    return entry ? { id: `./${entry[0]}.js`, external: true } : null;
  },
};

/**
 * Puts the modules of an entry together.
 *
 * @param {keyof typeof entries} name
 */
export const bundled = (name) => rolldown({ input: { [name]: root + entries[name] }, platform: 'browser', tsconfig: false, transform: { target }, external: ['react'], plugins: [apart] });

/**
 * Builds into a folder.
 *
 * @param {string} folder
 */
export async function buildInto(folder) {
  await rm(folder, { recursive: true, force: true });
  for (const name of /** @type {(keyof typeof entries)[]} */ (Object.keys(entries))) {
    const bundle = await bundled(name);
    await bundle.write({
      dir: folder,
      sourcemap: 'hidden',
      comments: false,
      postBanner: '/* Starling, @starling-rt/client. Apache 2.0. */',
      minify: {
        compress: { target, treeshake: { propertyReadSideEffects: false } },
        mangle: true,
        mangleProps: { include: shortened, cache: short },
      },
    });
    await bundle.close();
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
