import assert from 'node:assert/strict';
import test from 'node:test';
import { HELD, idle, reduce } from '../../page/js/link.js';

const at = (now) => ({ now, random: () => 1 });

/** Lets things happen one after the other; returns where it ends, and the last effects. */
function run(...events) {
  let link = idle;
  let effects = [];
  for (const [event, now = 0] of events) [link, effects] = reduce(link, event, at(now));
  return { link, effects: effects.map((e) => (e.do === 'timer' ? `timer ${e.ms}` : e.do)) };
}

const start = [{ type: 'start' }];
const opened = [{ type: 'opened', session: 's' }];
const broken = [{ type: 'broken', why: 'x' }];

test('it opens when it starts, and closes what was open before', () => {
  const { link, effects } = run(start);
  assert.equal(link.name, 'connecting');
  assert.deepEqual(effects, ['cancel', 'close', 'open']);
});

test('a connection that breaks is waited for, longer each time', () => {
  assert.deepEqual(run(start, broken).effects, ['close', 'timer 1000']);
  const twice = run(start, broken, [{ type: 'due' }], broken);
  assert.deepEqual(twice.effects, ['close', 'timer 2000']);
  assert.equal(twice.link.until, 2000);
});

test('failures are forgotten only when a connection has held', () => {
  const short = run(start, broken, [{ type: 'due' }], opened, [{ type: 'broken', why: 'x' }, HELD - 1]);
  assert.equal(short.link.attempt, 2);
  const long = run(start, broken, [{ type: 'due' }], opened, [{ type: 'broken', why: 'x' }, HELD]);
  assert.equal(long.link.attempt, 1);
});

test("the server's advice on when to come back is taken", () => {
  assert.deepEqual(run(start, opened, [{ type: 'broken', why: 'drain', after: 1234 }]).effects, ['close', 'timer 1234']);
});

test('waking up opens at once what waits, and checks what lives', () => {
  assert.deepEqual(run(start, broken, [{ type: 'wake' }]).effects, ['cancel', 'open']);
  assert.deepEqual(run(start, opened, [{ type: 'wake' }]).effects, ['check']);
  assert.deepEqual(run(start, [{ type: 'wake' }]).effects, []);
});

test('nothing brings it back after it was stopped or refused but a start', () => {
  for (const end of [{ type: 'stop' }, { type: 'refused', why: 'no' }]) {
    for (const event of [{ type: 'wake' }, { type: 'due' }, { type: 'broken', why: 'x' }, { type: 'opened', session: 's' }]) {
      const { link, effects } = run(start, [end], [event]);
      assert.equal(link.name, end.type === 'stop' ? 'idle' : 'refused', `${end.type}, ${event.type}`);
      assert.deepEqual(effects, []);
    }
    assert.equal(run(start, [end], start).link.name, 'connecting');
  }
});

test('a timer that comes late does nothing', () => {
  assert.deepEqual(run(start, opened, [{ type: 'due' }]).effects, []);
});
