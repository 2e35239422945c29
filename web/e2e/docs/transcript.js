// Transcripts: of a shell ("console"), and of a WebSocket ("wire"). Each has a server of its own. What differs from time to time
// (positions, ids, times) is matched by its place, and what a document calls it is put in for what it is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Server } from '../lib/server.js';

const CHANGING = /"(position|id|session)":"([^"]*)"/g;

/** Without what differs from time to time. */
const likeness = (text) => text.replace(CHANGING, '"$1":"…"').replace(/"(time|offset|expires)":\d+/g, '"$1":0').replace(/^id: \S+$/gm, 'id: …').replace(/"key":"k-\d+"/g, '"key":"…"');

/** Learns what a document's names are in truth. */
function learn(names, written, real) {
  const values = (text) => [...[...text.matchAll(CHANGING)].map((m) => m[2]), ...[...text.matchAll(/^id: (\S+)$/gm)].map((m) => m[1])];
  const [a, b] = [values(written), values(real)];
  a.forEach((name, i) => b[i] !== undefined && names.set(name, b[i]));
}

const translate = (names, text) => [...names].sort(([a], [b]) => b.length - a.length).reduce((t, [from, to]) => t.replaceAll(from, to), text);

function run(command, lines) {
  return new Promise((end) => {
    const p = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    let timer = setTimeout(stop, lines > 0 ? 10_000 : 1_000);
    function stop() {
      clearTimeout(timer);
      try {
        process.kill(-p.pid, 'SIGKILL');
      } catch {
        // it has ended
      }
    }
    p.stdout.on('data', (d) => {
      said += d;
      if (lines === 0 || said.split('\n').length <= lines) return; // a stream does not end: there is enough of it
      clearTimeout(timer);
      timer = setTimeout(stop, 300);
    });
    p.once('close', () => {
      stop();
      end(said);
    });
  });
}

async function console_(server, names, text) {
  const steps = text.trimEnd().split(/^\$ /m).slice(1);
  for (const step of steps) {
    const [command, ...rest] = step.split('\n');
    const expected = rest.join('\n').trimEnd();
    const real = (await run(translate(names, command).replaceAll('localhost:8080', `127.0.0.1:${server.port}`), expected ? expected.split('\n').length : 0)).trimEnd();
    if (!likeness(real).startsWith(likeness(expected))) return `$ ${command}\nprints\n${likeness(real)}\ninstead of\n${likeness(expected)}`;
    learn(names, expected, real);
  }
  return steps.length > 0 ? '' : 'there is no command in it';
}

async function wire(server, text) {
  const { WebSocket } = await import('../../sdk/node_modules/ws/wrapper.mjs');
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
  const got = [];
  const names = new Map();
  socket.on('message', (m) => got.push(String(m)));
  await once(socket, 'open');
  try {
    for (const line of text.trim().split('\n')) {
      const [, who, message] = /^([CS]) (\{.*\})$/.exec(line) ?? [];
      if (!who) return `this line is of nobody: ${line}`;
      if (who === 'C') {
        socket.send(translate(names, message));
        continue;
      }
      const end = Date.now() + 10_000;
      for (;;) {
        const i = got.findIndex((m) => likeness(m) === likeness(message));
        if (i >= 0) {
          learn(names, message, got[i]);
          got.splice(i, 1);
          break;
        }
        if (Date.now() > end) return `the server does not say\n${likeness(message)}\nbut\n${got.map(likeness).join('\n')}`;
        await new Promise((next) => setTimeout(next, 10));
      }
    }
    return got.length > 0 ? `the server says also\n${got.join('\n')}` : '';
  } finally {
    socket.terminate();
  }
}

export async function runTranscript(context, block, done) {
  const server = await Server.start('--data', ':memory:', '--api-key', 'KEY');
  try {
    const names = new Map();
    let trouble = block.before ? await console_(server, names, block.before) : '';
    trouble ||= block.lang === 'wire' ? await wire(server, block.code) : await console_(server, names, block.code);
    done(block, 'run', trouble);
  } finally {
    await server.stop();
  }
}
