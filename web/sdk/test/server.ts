// The real server, to be started, killed and started again on the same port and data.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A port below those that the kernel gives out, so that nobody has it while the server is away. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 2_000);
    const probe = net.createServer();
    const free = await new Promise<boolean>((done) => probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
    if (!free) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
}

/** Resolves when f returns something that is true, with that. */
export async function until<T>(f: () => T | Promise<T>, what: string, ms = 40_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

export class Server {
  url = '';
  #port = 0;
  #data = '';
  #flags: readonly string[] = [];
  #process: ChildProcess | null = null;
  #exited: Promise<unknown> = Promise.resolve();

  static async start(...flags: string[]): Promise<Server> {
    const s = new Server();
    s.#flags = flags;
    s.#port = await freePort();
    s.#data = await mkdtemp(path.join(tmpdir(), 'starling-sdk-data-'));
    s.url = `http://127.0.0.1:${s.#port}`;
    await s.run();
    return s;
  }

  /** Starts the process, and waits until it serves. */
  async run(): Promise<void> {
    const args = ['serve', '--dev', '--data', this.#data, '--listen', `127.0.0.1:${this.#port}`, ...this.#flags];
    const child = spawn(process.env.STARLING_TEST_BINARY ?? '', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (d: Buffer) => {
      log += d.toString();
    });
    this.#process = child;
    this.#exited = new Promise((done) => child.once('exit', done));
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the server has ended:\n${log}`);
      const r = await fetch(`${this.url}/readyz`).catch(() => null);
      return r?.ok ?? false;
    }, 'the server to be ready');
  }

  /** Ends the process as a power cut would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#process?.kill(signal);
    await this.#exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#data, { recursive: true, force: true });
  }

  /** Throws away what is stored. */
  async wipe(): Promise<void> {
    await rm(this.#data, { recursive: true, force: true });
  }

  async publish(channel: string, data: unknown, tags?: Record<string, string>): Promise<void> {
    const r = await fetch(`${this.url}/api/v1/publish`, { method: 'POST', body: JSON.stringify({ channel, data, tags }) });
    if (!r.ok) throw new Error(`publish: ${r.status} ${await r.text()}`);
  }

  /** The data that the channel keeps, oldest first. */
  async kept(channel: string): Promise<unknown[]> {
    const r = await fetch(`${this.url}/api/v1/channels/${encodeURIComponent(channel)}/history?limit=1000`);
    const page = (await r.json()) as { publications: { data: unknown }[] };
    return page.publications.map((p) => p.data);
  }
}
