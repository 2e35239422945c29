// The real binary, to be started, killed and started again on the same port and data.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../../../bin/starling', import.meta.url));

async function freePort() {
  const probe = net.createServer();
  await new Promise((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

/** Resolves when f does not return a falsy value any more, with that value. */
export async function until(f, what, ms = 40_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

export class Server {
  static async start(...flags) {
    const s = new Server();
    s.flags = flags;
    s.port = await freePort();
    s.data = await mkdtemp(path.join(tmpdir(), 'starling-e2e-'));
    const base = flags.indexOf('--base-path');
    s.url = `http://127.0.0.1:${s.port}${base < 0 ? '' : flags[base + 1]}`;
    await s.run();
    return s;
  }

  /** Starts the process, and waits until it serves. */
  async run() {
    this.log = '';
    this.process = spawn(binary, ['serve', '--dev', '--apps', '--data', this.data, '--listen', `127.0.0.1:${this.port}`, ...this.flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (d) => (this.log += d));
    this.exited = new Promise((done) => this.process.once('exit', done));
    await until(async () => {
      if (this.process.exitCode !== null || this.process.signalCode !== null) throw new Error(`the server has ended:\n${this.log}`);
      const r = await fetch(`${this.url}/readyz`).catch(() => null);
      return r?.ok;
    }, 'the server to be ready');
  }

  /** Starts the process again if it has ended. */
  async up() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) await this.run();
  }

  /** Ends the process as a power cut would. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async stop() {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }

  async publish(channel, data, key) {
    const r = await fetch(`${this.url}/api/v1/publish`, { method: 'POST', body: JSON.stringify({ channel, data, key }) });
    if (!r.ok) throw new Error(`publish: ${r.status} ${await r.text()}`);
    return r.json();
  }

  /** The texts that the channel keeps, oldest first. */
  async texts(channel) {
    const r = await fetch(`${this.url}/api/v1/channels/${encodeURIComponent(channel)}/history?limit=1000`);
    return (await r.json()).publications.map((p) => p.data.text);
  }
}

/**
 * A proxy of the old kind: HTTP passes, WebSockets do not.
 *
 * @param {string} target
 */
export async function proxyWithoutWebSockets(target) {
  const proxy = http.createServer((req, res) => {
    if (req.headers.upgrade) {
      res.writeHead(403).end();
      return;
    }
    const up = http.request(new URL(req.url, target), { method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    up.on('error', () => res.destroy());
    res.on('close', () => up.destroy());
    req.pipe(up);
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    close: () => new Promise((done) => {
      proxy.close(done);
      proxy.closeAllConnections();
    }),
  };
}
