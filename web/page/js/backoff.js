/** The shortest and the longest wait before another attempt, in milliseconds. */
export const SHORTEST = 500;
export const LONGEST = 20_000;

/**
 * How long to wait before an attempt. The ceiling doubles with each attempt that
 * failed; below it the wait is drawn at random, so that clients which lost their
 * server together do not come back together.
 *
 * @param {number} attempt 1 for the first after a failure
 * @param {() => number} [random] a number from 0 up to 1
 * @returns {number} milliseconds
 */
export function delay(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST, SHORTEST * 2 ** Math.min(attempt, 16));
  return Math.round(SHORTEST + random() * (ceiling - SHORTEST));
}
