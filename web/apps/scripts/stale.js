// Fails if what the server serves is not what the sources make. Of what is compressed only what it holds counts: another
// version of Node may compress the same in another way.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { buildInto, contents, served } from './build.js';

const folder = await mkdtemp(path.join(tmpdir(), 'starling-apps-'));
await buildInto(folder);
const [want, got] = await Promise.all([contents(folder), contents(served)]);
await rm(folder, { recursive: true });

/**
 * What a file holds.
 *
 * @param {string} name
 * @param {Buffer | undefined} body
 */
function held(name, body) {
  try {
    return body && (name.endsWith('.br') ? brotliDecompressSync(body) : name.endsWith('.gz') ? gunzipSync(body) : body);
  } catch {
    return undefined; // it cannot even be unpacked
  }
}

const stale = [...new Set([...want.keys(), ...got.keys()])].filter((name) => {
  const [a, b] = [held(name, want.get(name)), held(name, got.get(name))];
  return !a || !b || !a.equals(b);
});
if (stale.length > 0) {
  console.error(`web/dist/apps is stale, run "make apps": ${stale.sort().join(', ')}`);
  process.exit(1);
}
console.log(`web/dist/apps is what the sources make: ${got.size} files`);
