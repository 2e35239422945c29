import assert from 'node:assert/strict';
import test from 'node:test';
import { KEEPS, Outbox } from '../../apps/playground/outbox.js';

function store() {
  const items = new Map();
  return { getItem: (k) => items.get(k) ?? null, setItem: (k, v) => void items.set(k, v) };
}

const keys = (o) => o.list.map((one) => one.key);

test('what was not acknowledged survives a reload, in order', () => {
  const s = store();
  const o = new Outbox(s);
  o.add('a', 'c', 1);
  o.add('b', 'c', 2);
  o.add('x', 'other', 3);
  assert.equal(o.remove('a'), true);
  assert.equal(o.remove('a'), false);
  const again = new Outbox(s);
  assert.deepEqual(keys(again), ['b', 'x']);
  assert.deepEqual(again.of('c').map((one) => one.key), ['b']);
  assert.deepEqual(again.due('c').map((one) => one.key), ['b']);
});

test('what was refused stays, and does not hold up the rest', () => {
  const o = new Outbox(store());
  o.add('a', 'c', 1);
  o.add('b', 'c', 2);
  o.refuse('a', 'too large');
  assert.deepEqual(o.due('c').map((one) => one.key), ['b']);
  assert.deepEqual(keys(o), ['a', 'b']);
});

test('what has waited longer than the server knows its key is not sent', () => {
  let now = 0;
  const o = new Outbox(store(), () => now);
  o.add('a', 'c', 1);
  now = KEEPS;
  o.add('b', 'c', 2);
  assert.deepEqual(o.due('c').map((one) => one.key), ['b']);
  assert.match(o.of('c')[0].refused, /twelve hours/);
});

test('a storage that is full or holds something else does no harm', () => {
  const o = new Outbox({ getItem: () => '{not ours', setItem: () => { throw new Error('full'); } });
  o.add('a', 'c', 1);
  assert.deepEqual(o.due('c').map((one) => one.key), ['a']);
});
