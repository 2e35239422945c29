// The golden vectors of the protocol, which the server's tests read as well.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { channelTrouble, codes, isRetryable, matches, parseObject, readMessage, refusalFrom } from '../src/protocol.js';
import { gather, moved, nowhere, seen } from '../src/cursor.js';
import { subscribing } from '../src/subscription.js';

function vectors<V>(name: string): V[] {
  const text = readFileSync(new URL(`../../../protocol/testdata/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { vectors: V[] }).vectors;
}

test.each(vectors<{ name: string; text: string }>('messages'))('message: $name', ({ text }) => {
  const raw = parseObject(text);
  expect(raw).not.toBeNull();
  const m = raw && readMessage(raw);
  expect(m?.type).toBe(raw?.type);
  // What is read says what was written.
  const reading: Record<string, unknown> = { ...m };
  for (const [field, value] of Object.entries(raw ?? {})) expect(reading[field]).toEqual(value);
});

test('every code is known, by its name, and whether the same may succeed later', () => {
  for (const v of vectors<{ code: number; name: string; retry: boolean }>('codes')) {
    expect((codes as Record<string, number>)[v.name]).toBe(v.code);
    expect([v.name, isRetryable(v.code)]).toEqual([v.name, v.retry]);
    expect(refusalFrom(v.code, `${v.name}: A sentence: of two parts.`)).toEqual({ code: v.code, name: v.name, message: 'A sentence: of two parts.', retry: v.retry });
    expect(refusalFrom(v.code, '').name).toBe(v.name);
  }
});

test('names of channels', () => {
  for (const { name, valid } of vectors<{ name: string; valid: boolean }>('channels')) {
    // To a client a wildcard can be named as well.
    if (!name.endsWith('*')) expect([name, channelTrouble(name) === '']).toEqual([name, valid]);
  }
});

describe('patterns', () => {
  test.each(vectors<{ pattern: string; valid: boolean; matches: string[]; misses: string[] }>('patterns'))('$pattern', (v) => {
    expect(channelTrouble(v.pattern) === '').toBe(v.valid);
    for (const name of v.matches) expect([name, matches(v.pattern, name)]).toEqual([name, true]);
    for (const name of v.misses) expect([name, matches(v.pattern, name)]).toEqual([name, false]);
  });
});

test('positions are opaque, and made of what needs no quoting', () => {
  for (const { position } of vectors<{ position: string }>('positions')) {
    expect(position).toMatch(/^[A-Za-z0-9_-]{1,1024}$/);
    expect(gather(new Map([['c', moved(nowhere, position)]])).since).toBe(position);
  }
});

test('what the client sends as since is among what the server understands', () => {
  const known = vectors<{ since: string; stands?: Record<string, number> }>('since');
  const [a, b] = ['Aa9j3EyGAeyMAAAAAQo', 'Aa9j30yGAfGlAAAAAhQ'];
  const at = (position: string | undefined, offset: number) => {
    const c = moved(nowhere, position ?? '');
    return offset ? (seen(c, offset) ?? c) : c;
  };
  const second = at(b, 25); // the newest stands first
  const first = at(a, 15);
  const both = gather(new Map([['a', first], ['b', second]])).since;
  const stands = known.find((v) => v.since === both)?.stands;
  expect(stands).toEqual({ a: 15, b: 25 });
});

test('what the client sends is among the commands that the server understands', () => {
  const known = vectors<{ text: string; command?: unknown }>('commands').filter((v) => v.command).map((v) => parseObject(v.text));
  const s = subscribing('chat', { since: 'AQ', filter: { lang: ['en', 'de'], kind: 'goal' }, slow: 'latest' });
  s.cursor = seen(s.cursor, 12) ?? s.cursor;
  expect(known).toContainEqual({ type: 'subscribe', id: 7, ...s.join({}) });
  expect(known).toContainEqual({ type: 'subscribe', ...subscribing('chat', {}).join({}) });
  expect(known).toContainEqual({ type: 'subscribe', ...subscribing('chat:*', { since: 'AQ' }).join({}) });
});
