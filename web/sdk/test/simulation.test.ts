// Clients in a bad world, from a seed: nothing is lost, nothing comes twice, everything comes in order.

import { expect, test } from 'vitest';
import type { Client } from '../src/client.js';
import type { TransportName } from '../src/machine.js';
import { scene } from './scene.js';
import type { Clock } from './world.js';

const SEEDS = Number(process.env.STARLING_SEEDS ?? 40);
const FIRST = Number(process.env.STARLING_SEED ?? 1);
const CHANNELS = ['a', 'b', 'c'];

/** Something bad, for a while. */
function misfortune({ clock, server, network }: ReturnType<typeof scene>, clients: Client[]): void {
  const x = clock.random();
  const one = clients[Math.floor(clock.random() * clients.length)];
  if (x < 0.3) network.cut(clock.random());
  else if (x < 0.5) {
    const door = ['ws', 'sse', 'poll', 'send'][Math.floor(clock.random() * 4)] ?? 'ws';
    network.blocked.set(door, clock.random() < 0.5 ? 'refuse' : 'swallow');
    clock.after(clock.between(500, 20_000), () => network.blocked.delete(door));
  } else if (x < 0.65) {
    server.up = false;
    server.endAll(clock.random() < 0.5 ? 4302 : 0);
    clock.after(clock.between(0, 3_000), () => {
      server.up = true;
    });
  } else if (x < 0.8) {
    network.delay = [1, [5, 80, 400, 2_000][Math.floor(clock.random() * 4)] ?? 80];
  } else if (x < 0.9) {
    const ladders: TransportName[][] = [['websocket', 'sse', 'poll'], ['sse'], ['poll'], ['websocket'], ['poll', 'websocket']];
    one?.use(ladders[Math.floor(clock.random() * ladders.length)] ?? ['poll']);
  } else {
    clock.after(clock.between(0, 2_000), () => one?.connect());
    one?.use(['websocket', 'sse', 'poll']);
  }
}

/** Follows a channel now and then: what comes must be new each time, whatever is missed in between. */
function pass(client: Client, clock: Clock): { wrong: string[] } {
  const wrong: string[] = [];
  let last = 0;
  const begin = (): void => {
    const off = client.channel('d').on('publication', (p) => {
      if (p.offset <= last) wrong.push(`a publication at ${p.offset} came after one at ${last}`);
      last = p.offset;
    });
    clock.after(clock.between(0, 8_000), () => {
      off();
      clock.after(clock.between(0, 2_000), begin);
    });
  };
  begin();
  return { wrong };
}

async function live(seed: number): Promise<string[]> {
  const w = scene(seed);
  const { clock, server, network } = w;
  const clients = [w.client(), w.client()];
  const got = clients.map(() => new Map(CHANNELS.map((c) => [c, [] as unknown[]])));
  const resets: unknown[] = [];
  for (const [i, c] of clients.entries()) {
    c.channel('c', { slow: 'catchup' }); // so that it is asked for by a command
    for (const name of CHANNELS) {
      c.channel(name).on('publication', (p) => got[i]?.get(name)?.push(p.data));
      c.channel(name).on('reset', (r) => resets.push(r));
    }
  }
  // Where a subscription begins is known when it is there for the first time.
  for (let i = 0; i < 60 && !clients.every((c) => CHANNELS.every((n) => c.channel(n).subscribed)); i++) await clock.pass(1_000);
  const passing = clients.map((c) => pass(c, clock));
  const published: Promise<unknown>[] = [];
  let n = 0;
  const some = () => CHANNELS[Math.floor(clock.random() * CHANNELS.length)] ?? 'a';
  for (let i = 0; i < 40; i++) {
    if (clock.random() < 0.5) misfortune(w, clients);
    for (let k = 0; k < 3; k++) {
      if (clock.random() < 0.3) server.publish(some(), `server ${n++}`);
      const from = clock.random() < 0.5 ? 0 : 1;
      published.push(clients[from]?.channel(some()).publish(`client ${from} ${n++}`) ?? Promise.resolve());
    }
    server.publish('d', n++);
    await clock.pass(clock.between(50, clock.random() < 0.1 ? 30_000 : 3_000));
  }
  // Peace: everything has to arrive now.
  network.blocked.clear();
  network.delay = [1, 900];
  server.up = true;
  network.blocked.set('ws', 'refuse');
  for (const c of clients) c.use(['websocket', clock.random() < 0.5 ? 'sse' : 'poll']);
  clock.after(30_000, () => network.blocked.clear());
  for (let i = 0; i < 150; i++) {
    // Also while it goes up again, at the 60th second.
    if (i < 130) for (let k = 0; k < 3; k++) server.publish(some(), `server ${n++}`);
    await clock.pass(1_000);
  }
  let done = 0;
  for (const p of published) void p.then(() => done++);
  await clock.pass(100);

  const wrong: string[] = [];
  if (done < published.length) wrong.push(`${published.length - done} publications were never acknowledged`);
  if (resets.length > 0) wrong.push(`${resets.length} resets, though nothing was removed`);
  for (const name of CHANNELS) {
    const kept = server.log(name).map((s) => s.data);
    if (new Set(kept).size !== kept.length) wrong.push(`${name} keeps something twice`);
    for (const [i, g] of got.entries()) {
      if (JSON.stringify(g.get(name)) !== JSON.stringify(kept)) wrong.push(`client ${i} was told ${g.get(name)?.length} of ${kept.length} on ${name}, or in another order`);
      const own = kept.filter((d) => String(d).startsWith(`client ${i}`)).map((d) => Number(String(d).split(' ')[2]));
      if (own.some((x, at) => at > 0 && x < (own[at - 1] ?? 0))) wrong.push(`what client ${i} published on ${name} was stored in another order`);
    }
  }
  for (const p of passing) wrong.push(...p.wrong);
  const stored = CHANNELS.flatMap((c) => server.log(c)).filter((s) => s.key).length;
  if (stored !== published.length) wrong.push(`${published.length} were published, ${stored} stored`);
  for (const c of clients) c.disconnect();
  await clock.pass(100);
  const left = network.links;
  if (left > 0) wrong.push(`${left} connections were left open`);
  return wrong;
}

test(`${SEEDS} seeds of a bad network lose nothing and double nothing`, { timeout: 300_000 }, async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) expect(await live(seed), `seed ${seed}: STARLING_SEED=${seed} STARLING_SEEDS=1`).toEqual([]);
});

test('a transport that swallows everything is joined by the next after 3 s', async () => {
  const w = scene(1);
  w.network.blocked.set('ws', 'swallow');
  const c = w.client();
  c.connect();
  await w.clock.pass(2_900);
  expect(c.state).toMatchObject({ name: 'connecting', transport: 'websocket' });
  await w.clock.pass(1_100);
  expect(c.state).toMatchObject({ name: 'connected', transport: 'sse' });
  // It tries upwards again, when that is possible.
  w.network.blocked.clear();
  await w.clock.pass(61_000);
  expect(c.state).toMatchObject({ name: 'connected', transport: 'websocket' });
});

test('a machine that slept finds out by the time of the day', async () => {
  const w = scene(2);
  const c = w.client();
  const states: string[] = [];
  c.on('state', (s) => states.push(s.name));
  c.connect();
  await w.clock.pass(10_000);
  w.clock.now += 3_600_000; // no timer has run
  await w.clock.pass(6_000);
  expect(states.filter((s) => s !== 'connecting')).toEqual(['connected', 'connected']);
});
