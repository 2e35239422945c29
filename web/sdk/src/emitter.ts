/** @internal A list of events, each with what its listeners are given. */
export type Events = { [name: string]: unknown };

/** @internal Calls listeners. One that throws does not keep the others from hearing. */
export interface Emitter<E extends Events> {
  /** Adds a listener, and returns what removes it. */
  on<K extends keyof E>(name: K, hear: (event: E[K]) => void): () => void;
  emit<K extends keyof E>(name: K, event: E[K]): void;
  /** Tells whether anybody listens, or listens to this. */
  has(name?: keyof E): boolean;
  /** Removes all listeners. */
  clear(): void;
}

/** @internal */
export function emitter<E extends Events>(): Emitter<E> {
  /** Each listening by itself, also if the listener is the same. */
  let all: { readonly name: keyof E; readonly hear: (event: never) => void }[] = [];
  return {
    on(name, hear) {
      const entry = { name, hear };
      all = [...all, entry];
      return () => {
        all = all.filter((e) => e !== entry);
      };
    },
    emit(name, event) {
      for (const entry of all) {
        if (entry.name !== name) continue;
        try {
          (entry.hear as (event: unknown) => void)(event);
        } catch (e) {
          // It is the application's, and shall be seen where its errors are seen.
          queueMicrotask(() => {
            throw e;
          });
        }
      }
    },
    has: (name) => all.some((e) => !name || e.name === name),
    clear() {
      all = [];
    },
  };
}
