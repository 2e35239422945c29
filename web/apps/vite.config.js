// How the pages are built: each entry of pages.json is a page, framed by scripts/frame.js.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { frame } from './scripts/frame.js';
import { fileOf, pages } from './scripts/pages.js';

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The server that `npm run dev` shows the pages of. */
const server = process.env.STARLING_URL ?? 'http://localhost:8080';

export default defineConfig({
  root: here('.'),
  base: './', // the server may be mounted anywhere
  appType: 'mpa',
  publicDir: false,
  resolve: {
    alias: [
      { find: '@starling-rt/client/react', replacement: here('../sdk/src/react/index.ts') },
      { find: '@starling-rt/client', replacement: here('../sdk/src/index.ts') },
    ],
    dedupe: ['react', 'react-dom'],
  },
  build: {
    outDir: here('../dist/apps'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false }, input: pages.filter((p) => !p.elsewhere).map((p) => here(fileOf(p))) },
  },
  plugins: [frame(here('.'))],
  server: { proxy: Object.fromEntries(['/ws', '/sse', '/poll', '/send', '/api', '/dev', '/sdk'].map((path) => [path, { target: server, ws: path === '/ws' }])) },
});
