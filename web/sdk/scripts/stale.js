// Fails if what the server serves is not what the sources make.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildInto, contents, served } from './build.js';

const folder = await mkdtemp(path.join(tmpdir(), 'starling-sdk-'));
await buildInto(folder);
const [want, got] = await Promise.all([contents(folder), contents(served)]);
await rm(folder, { recursive: true });
const stale = [...new Set([...want.keys(), ...got.keys()])].filter((name) => want.get(name) !== got.get(name));
if (stale.length > 0) {
  console.error(`web/dist/sdk is stale, run "make sdk": ${stale.sort().join(', ')}`);
  process.exit(1);
}
console.log(`web/dist/sdk is what the sources make: ${got.size} files`);
