// Puts every page into the frame that all have in common: head, navigation, foot, and what the page looks like
// before its code runs. See docs/guides/design-system.md.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { bundleAsync } from 'lightningcss';
import { build, runnerImport } from 'vite';
import { fileOf, pages } from './pages.js';

/** What is there under its own name too, for pages that are made elsewhere. */
const STABLE = { style: 'ui/ui.css', script: 'ui/ui.js', mark: 'ui/mark.svg', flock: 'ui/flock.svg', font: 'ui/display.woff2' };

/** Where the development server has them. */
const SOURCES = { style: 'ui/ui.css', script: 'ui/chrome.ts', mark: 'ui/art/mark.svg', font: 'node_modules/@fontsource-variable/bricolage-grotesque/files/bricolage-grotesque-latin-wght-normal.woff2' };

/**
 * @typedef {{name: string, source: string | Uint8Array}} Asset a file, and where it is put
 * @typedef {Record<keyof typeof STABLE, Asset>} Assets
 */

/**
 * Names a file by what is in it.
 *
 * @param {string} name
 * @param {string | Uint8Array} source
 * @returns {Asset}
 */
function hashed(name, source) {
  const { name: stem, ext } = path.parse(name);
  const sum = createHash('sha256').update(source).digest('base64url').replaceAll(/[-_]/g, '').slice(0, 8);
  return { name: `assets/${stem}-${sum}${ext}`, source };
}

/**
 * The sheet of all pages, with what it points to.
 *
 * @param {string} root
 * @param {Asset} flock
 */
async function sheet(root, flock) {
  const { code, dependencies } = await bundleAsync({ filename: path.join(root, 'ui/ui.css'), minify: true, analyzeDependencies: true });
  let style = new TextDecoder().decode(code);
  /** @type {Asset | null} */
  let font = null;
  for (const d of dependencies ?? []) {
    if (d.type !== 'url') throw new Error(`ui.css has an import that is not resolved: ${JSON.stringify(d)}`);
    const file = path.join(path.dirname(d.loc.filePath), d.url);
    font = hashed('display.woff2', await readFile(file));
    style = style.replaceAll(d.placeholder, path.basename(font.name));
  }
  if (!font) throw new Error('ui.css has no font');
  return { font, style: `${style}:root{--flock:url(${path.basename(flock.name)})}\n` };
}

/** @param {string} root */
async function script(root) {
  const result = await build({
    configFile: false, logLevel: 'error', root,
    build: { write: false, target: 'es2022', lib: { entry: path.join(root, 'ui/chrome.ts'), formats: ['iife'], name: 'chrome', fileName: 'chrome' } },
  });
  const [first] = Array.isArray(result) ? result : [];
  const chunk = first?.output[0];
  if (chunk?.type !== 'chunk') throw new Error('ui/chrome.ts was not built');
  return chunk.code;
}

/**
 * @param {string} root
 * @returns {Promise<Assets>}
 */
async function assetsOf(root) {
  const [markSource, flockSource, scriptSource] = await Promise.all([
    readFile(path.join(root, 'ui/art/mark.svg'), 'utf8'), readFile(path.join(root, 'ui/art/flock.svg'), 'utf8'), script(root),
  ]);
  const [mark, flock] = [hashed('mark.svg', markSource), hashed('flock.svg', flockSource)];
  const { font, style } = await sheet(root, flock);
  return { mark, flock, font, style: hashed('ui.css', style), script: hashed('ui.js', scriptSource) };
}

/**
 * The sheet as it stands beside what it points to under stable names.
 *
 * @param {string} style
 * @param {Assets} assets
 */
function stable(style, assets) {
  for (const which of /** @type {const} */ (['font', 'flock'])) style = style.replaceAll(path.basename(assets[which].name), path.basename(STABLE[which]));
  return style;
}

/**
 * The licences of what is built into the pages, as they ask for.
 *
 * @param {string} root
 */
async function licences(root) {
  const parts = ['react', 'react-dom', 'scheduler', '@fontsource-variable/bricolage-grotesque'].map(async (name) => {
    const text = await readFile(path.join(root, 'node_modules', name, 'LICENSE'), 'utf8');
    return `${name}\n${'='.repeat(name.length)}\n\n${text.trim()}\n`;
  });
  return `These pages contain the following, each under its licence.\n\n${(await Promise.all(parts)).join('\n\n')}`;
}

/**
 * @param {string} root
 * @returns {import('vite').Plugin}
 */
export function frame(root) {
  /** @type {Assets | null} */
  let assets = null;
  let mode = 'production';
  /** @type {import('vite').UserConfig} */
  let around = {};

  /** @type {Map<string, Promise<any>>} */
  const loaded = new Map();
  /** @param {string} file */
  const load = (file) => {
    const module = loaded.get(file) ?? runnerImport(path.join(root, file), { configFile: false, root, mode, ...around, logLevel: 'error' }).then((m) => m.module);
    if (mode === 'production') loaded.set(file, module);
    return module;
  };

  return {
    name: 'starling:frame',
    configResolved(config) {
      mode = config.command === 'build' ? 'production' : 'development';
      around = { resolve: { alias: config.resolve.alias, dedupe: config.resolve.dedupe } };
    },
    async buildStart() {
      if (mode === 'development') return;
      assets = await assetsOf(root);
      for (const { name, source } of Object.values(assets)) this.emitFile({ type: 'asset', fileName: name, source });
      for (const [which, fileName] of Object.entries(STABLE)) {
        const { source } = assets[/** @type {keyof Assets} */ (which)];
        this.emitFile({ type: 'asset', fileName, source: which === 'style' ? stable(String(source), assets) : source });
      }
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: await licences(root) });
    },
    transformIndexHtml: {
      order: 'post',
      async handler(html, { path: at }) {
        const page = pages.find((p) => `/${fileOf(p)}` === at);
        if (!page) throw new Error(`${at} is not in pages.json`);
        const { frameOf } = /** @type {typeof import('../ui/frame.tsx')} */ (await load('ui/frame.tsx'));
        const body = /<body>(.*)<\/body>/s.exec(html)?.[1] ?? '';
        const head = /<head>(.*)<\/head>/s.exec(html)?.[1] ?? '';
        const before = page.component && assets ? frameOf.render((await load(page.component)).default) : '';
        return frameOf({
          files: assets ? { style: assets.style.name, script: assets.script.name, mark: assets.mark.name, font: assets.font.name } : SOURCES,
          source: !assets, root: assets ? '../'.repeat(page.path.split('/').length - 1) || './' : '/',
          page, pages, head: head.trim(), body: body.trim().replace('<div id="app"></div>', `<div id="app">${before}</div>`),
        });
      },
    },
  };
}
