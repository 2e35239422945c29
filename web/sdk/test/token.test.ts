// Who a client is: tokens that hold, expire, are renewed, and grant only some things.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createClient, type TokenReason, type TransportName } from '../src/index.js';
import { Server, until } from './server.js';

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(async () => {
  await server.stop();
});

async function token(user: string, channels: Record<string, string[]> | undefined, expiresIn: number): Promise<string> {
  const r = await fetch(`${server.url}/dev/token`, { method: 'POST', body: JSON.stringify({ user, channels, expiresIn }) });
  return ((await r.json()) as { token: string }).token;
}

const TRANSPORTS: TransportName[] = ['websocket', 'sse', 'poll'];

describe.each(TRANSPORTS)('over %s', (transport) => {
  const transports = [transport];

  test('a client is whom its token names, and may do what it grants', async () => {
    const c = createClient({ url: server.url, WebSocket, transports, token: await token('ann', { 'open:*': ['subscribe', 'publish'], 'read:*': ['subscribe'] }, 60) });
    const users: string[] = [];
    c.on('user', (u) => users.push(u));
    const errors: string[] = [];
    const got: unknown[] = [];
    const open = c.channel(`open:${transport}`);
    open.on('publication', (p) => got.push(p.user));
    const hidden = c.channel(`hidden:${transport}`);
    hidden.on('publication', () => {});
    hidden.on('error', (e) => errors.push(e.name));
    const read = c.channel(`read:${transport}`);
    read.on('publication', () => {});
    await until(() => open.subscribed && read.subscribed && errors.length > 0, 'all to be answered');
    await open.publish(1);
    await expect(read.publish(1)).rejects.toMatchObject({ code: 4101 });
    await until(() => got.length === 1, 'the publication');
    expect([c.user, users, got, errors]).toEqual(['ann', ['ann'], ['ann'], ['forbidden']]);
    c.disconnect();
  });

  test('a token is renewed before it expires, on the session that is there', async () => {
    const reasons: TokenReason[] = [];
    const c = createClient({
      url: server.url, WebSocket, transports,
      getToken: ({ reason }) => {
        reasons.push(reason);
        return token('ben', undefined, 2);
      },
    });
    const sessions = new Set<string>();
    const states: string[] = [];
    c.on('state', (s) => {
      states.push(s.name);
      if (s.name === 'connected') sessions.add(s.session);
    });
    const got: unknown[] = [];
    const ch = c.channel(`renewed-${transport}`);
    ch.on('publication', (p) => got.push(p.data));
    await until(() => reasons.length >= 4, 'three renewals');
    await ch.publish('still here');
    await until(() => got.length === 1, 'the publication');
    expect(reasons.slice(0, 4)).toEqual(['connect', 'expiring', 'expiring', 'expiring']);
    expect(sessions.size).toBe(1);
    expect(states.filter((s) => s !== 'connecting')).toEqual(['connected']);
    c.disconnect();
  });

  test('nobody answers calls here, and that is said', async () => {
    const c = createClient({ url: server.url, WebSocket, transports });
    await expect(c.call('anything', { x: 1 })).rejects.toMatchObject({ code: 4006 });
    c.disconnect();
  });
});

// The server takes a token for half a minute longer than it says, for clocks that differ, so all wait at once.
test('after its end a token is replaced once, and nothing is missed; a fixed one is the end', { timeout: 90_000 }, async () => {
  await Promise.all(TRANSPORTS.map(async (transport) => {
    const transports = [transport];
    let renewed = 0;
    const c = createClient({
      url: server.url, WebSocket, transports,
      getToken: async ({ reason }) => {
        if (reason === 'expiring') throw new Error('not now');
        if (reason !== 'connect') renewed++;
        return token('cat', undefined, reason === 'connect' ? 1 : 600);
      },
    });
    const fixed = createClient({ url: server.url, WebSocket, transports, token: await token('dan', undefined, 1) });
    fixed.connect();
    const got: unknown[] = [];
    const resets: unknown[] = [];
    const ch = c.channel(`expired-${transport}`);
    ch.on('publication', (p) => got.push(p.data));
    ch.on('reset', (r) => resets.push(r));
    await until(() => ch.subscribed && fixed.state.name === 'connected', 'both to be there');
    await ch.publish('before');
    await until(() => renewed === 1, 'a new token', 60_000);
    await server.publish(`expired-${transport}`, 'meanwhile');
    await until(() => got.length === 2, 'the publication');
    await until(() => fixed.state.name === 'failed', 'the end', 60_000);
    expect([transport, renewed, resets, got]).toEqual([transport, 1, [], ['before', 'meanwhile']]);
    expect(fixed.state).toMatchObject({ name: 'failed', code: 4107 });
    c.disconnect();
  }));
});
