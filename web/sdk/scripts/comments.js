// Fails if something that is exported has no comment that says what it is.

import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../src/', import.meta.url));
const bare = [];
for (const name of await readdir(root, { recursive: true })) {
  if (!/\.tsx?$/.test(name)) continue;
  const lines = (await readFile(root + name, 'utf8')).split('\n');
  for (const [i, line] of lines.entries()) {
    // What is handed on has its comment where it is made.
    if (!line.startsWith('export ') || /^export (type )?[{*]/.test(line)) continue;
    const before = lines[i - 1] ?? '';
    const [overload] = /^export function \w+/.exec(line) ?? []; // has it at the first
    if (!before.endsWith('*/') && !(overload && before.startsWith(overload))) bare.push(`src/${name}:${i + 1}: ${line}`);
  }
}
if (bare.length > 0) {
  console.error(`These exports have no comment:\n${bare.join('\n')}`);
  process.exit(1);
}
