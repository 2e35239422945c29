import assert from 'node:assert/strict';
import test from 'node:test';
import { Ledger, MOST } from '../../apps/playground/ledger.js';

const publication = (offset, more = {}) => ({ channel: 'c', offset, id: `id${offset}`, data: { text: `m${offset}` }, time: 0, ...more });
const ledger = () => new Ledger((key) => key.startsWith('me.'));
const shown = (l) => l.entries.map((e) => (e.kind === 'gap' ? 'gap' : `${e.offset ?? '-'}${e.state === 'stored' ? '' : ` ${e.state}`}`));

test('publications stand in the order of their offsets, each once', () => {
  const l = ledger();
  assert.deepEqual([5, 2, 9, 2, 5].map((n) => l.add(publication(n))), [true, true, true, false, false]);
  assert.deepEqual(shown(l), ['2', '5', '9']);
});

test('what waits stands behind what is stored, in the order in which it was written', () => {
  const l = ledger();
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.pend({ key: 'me.2', data: {}, created: 0 });
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.add(publication(7));
  assert.deepEqual(shown(l), ['7', '- waiting', '- waiting']);
  assert.deepEqual(l.entries.map((e) => e.key), ['', 'me.1', 'me.2']);
});

test('an own message becomes one entry, whichever of its two signs comes first', () => {
  for (const order of ['reply first', 'publication first']) {
    const l = ledger();
    l.pend({ key: 'me.1', data: {}, created: 0 });
    const steps = [() => l.acknowledge('me.1', 4), () => l.add(publication(4, { key: 'me.1' }))];
    if (order === 'publication first') steps.reverse();
    for (const step of steps) step();
    l.add(publication(3));
    assert.deepEqual(shown(l), ['3', '4'], order);
    assert.ok(l.entries[1].own);
  }
});

test('an own message that comes back after a reload is known by its key', () => {
  const l = ledger();
  l.add(publication(4, { key: 'me.1' }));
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.acknowledge('me.1', 4);
  assert.deepEqual(shown(l), ['4']);
});

test('a key that was used before does not swallow a publication', () => {
  const l = ledger();
  l.add(publication(1, { key: 'k' }));
  l.add(publication(2, { key: 'k' }));
  assert.deepEqual(shown(l), ['1', '2']);
});

test('after a gap smaller offsets stand behind, and nothing is shown again', () => {
  const l = ledger();
  l.add(publication(50));
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.gap('epoch');
  l.add(publication(1, { id: 'new' }));
  assert.equal(l.add(publication(50)), false);
  assert.deepEqual(shown(l), ['50', 'gap', '1', '- waiting']);
});

test('an acknowledged message that was not seen before a gap moves behind it', () => {
  const l = ledger();
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.acknowledge('me.1', 50);
  l.gap('gone');
  l.add(publication(50, { key: 'me.1' }));
  assert.deepEqual(shown(l), ['gap', '50']);
});

test('a refusal stays until it is dropped, and does not touch what is stored', () => {
  const l = ledger();
  l.pend({ key: 'me.1', data: {}, created: 0 });
  l.refuse('me.1', 'too large');
  assert.deepEqual(shown(l), ['- refused']);
  l.drop('me.1');
  assert.deepEqual(shown(l), []);
  l.add(publication(1, { key: 'me.2' }));
  l.refuse('me.2', 'late');
  l.drop('me.2');
  assert.deepEqual(shown(l), ['1']);
});

test('the oldest go when there are too many, and do not come again', () => {
  const l = ledger();
  const n = MOST + MOST / 10;
  for (let i = 1; i <= n; i++) l.add(publication(i));
  assert.equal(l.trim(), true);
  assert.equal(l.trim(), false);
  assert.equal(l.entries.length, MOST);
  assert.equal(l.add(publication(1)), false);
});
