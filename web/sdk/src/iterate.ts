import { ownError } from './errors.js';

/** @internal What an iterator is fed by. */
export interface Feed<T> {
  /** Something came. */
  push(value: T): void;
  /** No more comes; with an error, the loop throws it after what is there. */
  end(error?: unknown): void;
  /** Nobody wants what is there either. */
  leave(): void;
}

/**
 * @internal Makes an iterator of what comes. Listening begins here, not at the first turn of the loop, so that nothing is missed
 * between; it ends when the loop is left. More than `most` that wait for the loop are an error, not a leak.
 *
 * @param listen returns what ends it, which may be called again
 */
export function iterate<T extends object>(listen: (feed: Feed<T>) => () => void, most: number): AsyncIterableIterator<T> {
  const values: T[] = [];
  let ended: { readonly error?: unknown } | null = null;
  let wake = (): void => {};
  let off = (): void => {};
  const end = (error?: unknown): void => {
    ended ??= { error };
    off();
    wake();
  };
  const leave = (): void => {
    values.length = 0;
    end();
  };
  off = listen({
    push(value) {
      if (values.length >= most) end(ownError('overflow', `${most} events wait for the loop already.`));
      if (ended) return;
      values.push(value);
      wake();
    },
    end,
    leave,
  });
  if (ended) off();
  return {
    async next() {
      while (values.length === 0 && !ended) {
        await new Promise<void>((done) => {
          wake = done;
        });
      }
      const value = values.shift();
      if (value) return { value, done: false };
      const last = ended;
      ended = {};
      if (last?.error) throw last.error;
      return { value, done: true };
    },
    async return() {
      leave();
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
