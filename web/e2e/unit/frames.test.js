import assert from 'node:assert/strict';
import test from 'node:test';
import { Frames, MOST, size } from '../../apps/playground/frames.js';
import { hueOf, randomId } from '../../apps/playground/names.js';

test('the newest frames are kept and all are counted, in bytes', () => {
  const f = new Frames();
  for (let i = 0; i < MOST + 5; i++) f.add('in', 'publication', 'ü');
  f.add('out', 'publish', 'abc');
  assert.equal(f.list.length, MOST);
  assert.equal(f.list.at(-1).n, MOST + 6);
  assert.deepEqual(f.in, { frames: MOST + 5, bytes: 2 * (MOST + 5) });
  assert.deepEqual(f.out, { frames: 1, bytes: 3 });
});

test('sizes are written for people', () => {
  assert.deepEqual([0, 999, 1000, 2_500_000].map(size), ['0 B', '999 B', '1.0 kB', '2.5 MB']);
});

test('ids are made of what may stand in a key, and differ', () => {
  const ids = new Set(Array.from({ length: 1000 }, () => randomId()));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{16}$/);
});

test('a name has always the same hue', () => {
  assert.equal(hueOf('Wry Wren', 6), hueOf('Wry Wren', 6));
  assert.ok(new Set(['a', 'b', 'c', 'd', 'e', 'f'].map((n) => hueOf(n, 6))).size > 3);
});
