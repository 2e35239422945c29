import { whenAborted } from './abort.js';
import { ownError } from './errors.js';

/** @internal What an iterator is fed by. */
export interface Feed<T> {
  /** Something came. */
  push(value: T): void;
  /** No more comes; with an error, the loop throws it after what is there. */
  end(error?: unknown): void;
}

/**
 * @internal Makes an iterator of what comes. Listening begins here, not at the first turn of the loop, so that nothing is missed
 * between; it ends when the loop is left. More than `most` that wait for the loop are an error, not a leak.
 */
export function iterate<T>(listen: (feed: Feed<T>) => () => void, most: number, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
  const values: T[] = [];
  let ended: { readonly error?: unknown } | null = null;
  let wake: (() => void) | null = null;
  const stop = (end: { readonly error?: unknown }): void => {
    if (ended) return;
    ended = end;
    off();
    deaf();
    wake?.();
  };
  let off = (): void => {};
  let deaf = (): void => {};
  off = listen({
    push: (value) => {
      if (values.length >= most) stop({ error: ownError('overflow', `${most} events wait for the loop already.`) });
      if (ended) return;
      values.push(value);
      wake?.();
    },
    end: (error) => stop(error === undefined ? {} : { error }),
  });
  deaf = whenAborted(signal, () => {
    values.length = 0;
    stop({});
  });
  if (ended) off();
  const next = async (): Promise<IteratorResult<T, undefined>> => {
    while (values.length === 0 && !ended) {
      await new Promise<void>((done) => {
        wake = done;
      });
      wake = null;
    }
    const value = values.shift();
    if (value !== undefined) return { value, done: false };
    const last = ended;
    ended = {};
    if (last?.error !== undefined) throw last.error;
    return { value: undefined, done: true };
  };
  return {
    next,
    return: async () => {
      values.length = 0;
      stop({});
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
