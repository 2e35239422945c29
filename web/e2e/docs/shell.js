// Blocks of shell and Python: each page has a folder of its own, in which its blocks run one after the other.

import { spawn } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../lib/server.js';

/** What stands for starling: a server that it is told to serve goes on in the background, and what follows is stopped. */
const wrapper = (binary, folder) => `#!/usr/bin/env bash
case "$1" in
serve)
	[[ " $* " == *" --help "* ]] && exec ${binary} "$@"
	if [[ -f ${folder}/pid ]]; then kill -9 "$(<${folder}/pid)" 2>/dev/null; tail --pid="$(<${folder}/pid)" -f /dev/null; fi
	STARLING_LISTEN=\${STARLING_LISTEN:-127.0.0.1:$PORT} ${binary} "$@" >${folder}/log 2>&1 &
	echo $! >${folder}/pid
	for _ in {1..300}; do
		curl -sf -o /dev/null "http://127.0.0.1:$PORT/readyz" && exit 0
		kill -0 $! 2>/dev/null || { cat ${folder}/log; exit 1; }
		sleep .1
	done
	cat ${folder}/log; exit 1 ;;
subscribe) timeout 3 ${binary} "$@"; [[ $? == 124 ]] ;;
*) exec ${binary} "$@" ;;
esac
`;

export class Shell {
  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.folder = '';
  }

  /** Makes the folder, with the files that documents speak of. */
  async prepare() {
    if (this.folder) return;
    this.folder = await mkdtemp(path.join(this.context.temp, 'page-'));
    const bin = path.join(this.folder, 'bin');
    await mkdir(bin);
    for (const sub of ['etc', 'run', 'lib', 'backups']) await mkdir(path.join(this.folder, sub));
    await writeFile(path.join(bin, 'starling'), wrapper(path.join(this.context.root, 'bin/starling'), this.folder));
    await chmod(path.join(bin, 'starling'), 0o755);
    await writeFile(path.join(this.folder, 'etc/secret'), `${this.context.secret}\n`);
    await writeFile(path.join(this.folder, 'run/starling-hmac'), `${this.context.secret}\n`);
    await writeFile(path.join(this.folder, 'run/starling-api-keys'), 'an-api-key-that-is-long-enough\n');
    this.port = await freePort();
  }

  /** Puts the folders and the server of this page in the place of those that a document speaks of. */
  translate(text, port = this.context.server.port) {
    return text.replaceAll('/run/secrets/', `${this.folder}/run/`).replaceAll('/etc/starling/', `${this.folder}/etc/`)
      .replaceAll('/var/lib/starling', `${this.folder}/lib`).replace(/(?<=\s)\/backups\b/g, `${this.folder}/backups`)
      .replaceAll('localhost:8080', `localhost:${port}`).replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
  }

  /** Runs a script with bash, as a reader would type it, but stops at what fails. */
  async bash(script, port = this.context.server.port) {
    const p = spawn('bash', ['-euo', 'pipefail', '-c', this.translate(script, port)], {
      cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
      env: {
        ...process.env, PATH: `${this.folder}/bin:${process.env.PATH}`, PORT: String(this.port), SECRET: this.context.secret, KEY: 'an-api-key-that-is-long-enough',
        STARLING_URL: `http://127.0.0.1:${port}`,
      },
    });
    let said = '';
    for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
    const timer = setTimeout(() => process.kill(-p.pid, 'SIGKILL'), 60_000);
    const code = await new Promise((end) => p.once('exit', (c, signal) => end(signal ?? c)));
    clearTimeout(timer);
    return { code, said };
  }

  async run(block, done) {
    await this.prepare();
    const all = [this.page.pages.get(block.lang) ?? '', block.before, block.code, block.after].join('\n');
    if (block.lang === 'python') {
      await writeFile(path.join(this.folder, 'block.py'), all);
      const { code, said } = await this.bash('python3 block.py');
      return done(block, 'run', code === 0 ? '' : said);
    }
    if (block.how === 'checked') {
      const { code, said } = await this.bash(`bash -n <<'STARLING_END'\n${block.code}\nSTARLING_END`);
      return done(block, 'checked', code === 0 ? '' : said);
    }
    const own = /\bstarling serve\b/.test(all);
    const { code, said } = await this.bash(all, own ? this.port : this.context.server.port);
    await this.stop();
    done(block, 'run', code === 0 ? '' : `it ended with ${code}:\n${said}`);
  }

  /** Ends the server that a block has started. */
  async stop() {
    const there = await access(path.join(this.folder, 'pid')).then(() => true, () => false);
    if (there) await this.bash('kill -9 "$(<pid)" 2>/dev/null || true; tail --pid="$(<pid)" -f /dev/null; rm pid');
  }

  async close() {
    if (this.folder) await this.stop();
  }
}
