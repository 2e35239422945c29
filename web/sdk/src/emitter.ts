/** @internal A list of events, each with what its listeners are given. */
export type Events = { [name: string]: unknown };

/** @internal Calls listeners. One that throws does not keep the others from hearing. */
export class Emitter<E extends Events> {
  readonly #listeners = new Map<keyof E, Set<{ readonly hear: (event: never) => void }>>();

  /** Adds a listener, and returns what removes it. */
  on<K extends keyof E>(name: K, hear: (event: E[K]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    const entry = { hear };
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  /** Removes all listeners. */
  clear(): void {
    this.#listeners.clear();
  }

  /** Tells whether anybody listens. */
  has(name: keyof E): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** How many listeners there are in all. */
  get size(): number {
    let n = 0;
    for (const listeners of this.#listeners.values()) n += listeners.size;
    return n;
  }

  emit<K extends keyof E>(name: K, event: E[K]): void {
    for (const entry of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (entry.hear as (event: E[K]) => void)(event);
      } catch (e) {
        // It is the application's, and shall be seen where its errors are seen.
        reportLater(e);
      }
    }
  }
}

function reportLater(e: unknown): void {
  queueMicrotask(() => {
    throw e;
  });
}
