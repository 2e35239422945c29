// Builds the server once for all tests that run it, unless STARLING_TEST_BINARY names one.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export default function setup(): (() => void) | undefined {
  if (process.env.STARLING_TEST_BINARY) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), 'starling-sdk-test-'));
  const binary = path.join(folder, 'starling');
  execFileSync('go', ['build', '-o', binary, './cmd/starling'], { cwd: root, stdio: 'inherit' });
  process.env.STARLING_TEST_BINARY = binary;
  return () => rmSync(folder, { recursive: true, force: true });
}
