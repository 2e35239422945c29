// Blocks of YAML and JSON.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

/** One JSON value, or one on each line. */
export function runJSON(block, done) {
  try {
    JSON.parse(block.code);
  } catch {
    for (const line of block.code.split('\n')) {
      try {
        JSON.parse(line);
      } catch (e) {
        return done(block, 'checked', `${e}`);
      }
    }
  }
  done(block, 'checked');
}

/** A configuration, or a part of one: the server reads it, and finds nothing wrong. It stays for the shell of the page. */
export async function runConfig(context, shell, block, done) {
  const name = block.how === 'file' ? block.said : 'config.yaml';
  await shell.prepare();
  await writeFile(path.join(shell.folder, name), shell.translate(`${block.before}\n${block.code}\n${block.after}`));
  const { code, said } = await shell.bash(`starling check-config ${name}`);
  done(block, 'run', code === 0 ? '' : said);
}
