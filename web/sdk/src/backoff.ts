/** @internal The shortest and the longest wait before another attempt, in milliseconds. */
export const SHORTEST = 500;
/** @internal */
export const LONGEST = 20_000;

/**
 * @internal How long to wait after so many failures, in milliseconds. The ceiling doubles with each; below
 * it the wait is drawn at random, so that clients which lost their server together do not come
 * back together.
 */
export function delay(failures: number, random: () => number): number {
  const ceiling = Math.min(LONGEST, SHORTEST * 2 ** failures);
  return Math.round(SHORTEST + random() * (ceiling - SHORTEST));
}
