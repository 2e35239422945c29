// Projects in folders of their own: written, installed, checked, built and served with npm as a reader would.

import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Runs a command to its end; throws with all it said unless it succeeds. */
export async function run(folder, env, command, ...args) {
  const p = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
  const code = await new Promise((done, fail) => p.once('error', fail).once('close', done));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} in ${folder} ended with ${code}:\n${said}`);
  return said;
}

export class Project {
  #processes = [];

  /** Makes a folder with these files, or with a copy of another folder. */
  static async make(name, files) {
    const p = new Project();
    p.folder = await mkdtemp(path.join(tmpdir(), `starling-${name}-`));
    p.env = { NEXT_TELEMETRY_DISABLED: '1', CI: '1' };
    if (typeof files === 'string') await cp(files, p.folder, { recursive: true, filter: (f) => !/node_modules|dist$/.test(f) });
    else for (const [file, text] of Object.entries(files)) await p.write(file, text);
    return p;
  }

  async write(file, text) {
    const to = path.join(this.folder, file);
    await mkdir(path.dirname(to), { recursive: true });
    await writeFile(to, text);
  }

  run(command, ...args) {
    return run(this.folder, this.env, command, ...args);
  }

  /** Starts a server of the project, and waits until it answers. */
  async serve(url, command, ...args) {
    const p = spawn(command, args, { cwd: this.folder, env: { ...process.env, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    for (const stream of [p.stdout, p.stderr]) stream.on('data', (d) => (said += d));
    this.#processes.push(p);
    const end = Date.now() + 60_000;
    for (;;) {
      if (p.exitCode !== null) throw new Error(`${command} ${args.join(' ')} has ended:\n${said}`);
      const r = await fetch(url).catch(() => null);
      if (r?.ok) return;
      if (Date.now() > end) throw new Error(`${url} did not answer:\n${said}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async remove() {
    for (const p of this.#processes) {
      if (p.exitCode !== null) continue;
      const ended = new Promise((done) => p.once('exit', done));
      process.kill(-p.pid, 'SIGKILL'); // npx and what it started
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
