// The real binary, to be started, killed and started again on the same port and data.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../../../bin/starling', import.meta.url));

/**
 * A port for a server that is going to be started again there. It is below those that the kernel gives to whoever connects or listens
 * on any, so that nobody has it meanwhile.
 */
export async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 8_000);
    const probe = net.createServer();
    const free = await new Promise((done) => probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
    if (!free) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
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

  /** A token of the server's own, as for a development. */
  async token(user, expiresIn, channels) {
    const r = await fetch(`${this.url}/dev/token`, { method: 'POST', body: JSON.stringify({ user, channels, expiresIn }) });
    return (await r.json()).token;
  }

  /** How many sessions the server has. */
  async sessions() {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return [...text.matchAll(/^starling_sessions(?:\{[^}]*\})? (\d+)$/gm)].reduce((n, [, v]) => n + Number(v), 0);
  }

  /** What the channel keeps, oldest first. */
  async kept(channel) {
    const r = await fetch(`${this.url}/api/v1/channels/${encodeURIComponent(channel)}/history?limit=1000`);
    return (await r.json()).publications.map((p) => p.data);
  }

  /** The texts that the channel keeps, oldest first. */
  async texts(channel) {
    return (await this.kept(channel)).map((d) => d.text);
  }
}

/**
 * A proxy of the old kind: HTTP passes, WebSockets do not.
 *
 * @param {string} target
 */
export const proxyWithoutWebSockets = (target) => badProxy(target, { websocket: 'refuse' });

/**
 * A proxy that does not let everything pass. What it does may be changed while it runs.
 *
 * @param {string} target
 * @param {{ websocket?: 'pass' | 'refuse' | 'hang' | 'cut', sse?: 'pass' | 'refuse' | 'buffer', poll?: 'pass' | 'refuse' }} fate `hang` answers
 * nothing; `cut` closes after the first frame; `buffer` holds a response back until it ends
 */
export async function badProxy(target, fate) {
  const open = new Set();
  const proxy = http.createServer((req, res) => {
    const door = /^\/(sse|poll)\b/.exec(req.url ?? '')?.[1];
    if (door && fate[door] === 'refuse') {
      res.writeHead(403).end();
      return;
    }
    const up = http.request(new URL(req.url, target), { method: req.method, headers: req.headers }, (answer) => {
      const pieces = [];
      if (door === 'sse' && fate.sse === 'buffer') {
        answer.on('data', (d) => pieces.push(d));
        answer.on('end', () => res.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(pieces)));
        return;
      }
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    up.on('error', () => res.destroy());
    res.on('close', () => up.destroy());
    req.pipe(up);
  });
  proxy.on('upgrade', (req, socket, head) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    const { websocket = 'pass' } = fate;
    if (websocket === 'refuse') socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    if (websocket === 'refuse' || websocket === 'hang') return;
    const up = net.connect(Number(new URL(target).port), '127.0.0.1', () => {
      const headers = Object.entries(req.headers).map(([k, v]) => `${k}: ${v}\r\n`).join('');
      up.write(`GET ${req.url} HTTP/1.1\r\n${headers}\r\n`);
      up.write(head);
      socket.pipe(up);
    });
    let answered = false;
    up.on('data', (d) => {
      socket.write(d);
      // The first is the answer to the upgrade, the next has a frame.
      if (answered && websocket === 'cut') socket.destroy();
      answered = true;
    });
    up.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => up.destroy());
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    close: () => new Promise((done) => {
      proxy.close(done);
      proxy.closeAllConnections();
      for (const socket of open) socket.destroy();
    }),
  };
}
