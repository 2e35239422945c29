/** Ends something early. */
export interface Abortable {
  /** Ends it: what waits rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * @internal Calls `stop` when the signal is aborted, also if it has been already. Returns what ends
 * that.
 */
export function whenAborted(signal: AbortSignal | undefined, stop: (reason: unknown) => void): () => void {
  if (!signal) return () => {};
  const hear = (): void => stop(signal.reason);
  if (signal.aborted) hear();
  else signal.addEventListener('abort', hear, { once: true });
  return () => signal.removeEventListener('abort', hear);
}

/** @internal What the promise becomes, or the signal's reason if that comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const off = whenAborted(signal, reject);
    promise.then(resolve, reject).finally(off);
  });
}
