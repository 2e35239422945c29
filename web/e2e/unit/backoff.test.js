import assert from 'node:assert/strict';
import test from 'node:test';
import { delay, LONGEST, SHORTEST } from '../../page/js/backoff.js';

test('the ceiling doubles until it is reached, and the floor stays', () => {
  for (const [attempt, ceiling] of [[1, 1000], [2, 2000], [3, 4000], [5, 16_000], [6, LONGEST], [1000, LONGEST]]) {
    assert.equal(delay(attempt, () => 0), SHORTEST);
    assert.equal(delay(attempt, () => 1), ceiling, `attempt ${attempt}`);
  }
});

test('waits are spread over the whole range', () => {
  const waits = Array.from({ length: 1000 }, () => delay(6));
  const [low, high] = [Math.min(...waits), Math.max(...waits)];
  assert.ok(low < 2000 && high > 18_000, `from ${low} to ${high}`);
});
