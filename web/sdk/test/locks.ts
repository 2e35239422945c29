// Web Locks as a browser has them, for pages that are objects in one process.

interface Request {
  readonly page: object;
  readonly name: string;
  readonly run: () => void;
}

/** The locks of one browser. */
export class FakeLocks {
  readonly #held = new Map<string, { readonly page: object; readonly stolen: () => void }>();
  readonly #queue: Request[] = [];
  readonly #dead = new WeakSet<object>();

  /** What a page has of them. */
  of(page: object): LockManager {
    return {
      request: (name: string, ...rest: unknown[]) => this.#request(page, name, rest),
      query: async () => ({ held: [...this.#held.keys()].map((name) => ({ name, mode: 'exclusive', clientId: '' })), pending: [] }),
    } as LockManager;
  }

  #request(page: object, name: string, rest: unknown[]): Promise<unknown> {
    const f = rest.at(-1) as (lock: unknown) => unknown;
    const { signal, steal, ifAvailable } = (rest.length > 1 ? rest[0] : {}) as LockOptions;
    return new Promise((resolve, reject) => {
      if (this.#dead.has(page)) return; // what it had begun goes on in this process alone
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (ifAvailable && this.#held.has(name)) {
        resolve(f(null));
        return;
      }
      const request: Request = {
        page, name,
        run: () => {
          let stolen = false;
          this.#held.set(name, { page, stolen: () => {
            stolen = true;
            reject(new DOMException('stolen', 'AbortError'));
          } });
          void Promise.resolve(f({ name })).then(resolve, reject).finally(() => {
            if (!stolen && this.#held.get(name)?.page === page) this.#release(name);
          });
        },
      };
      if (steal) {
        this.#held.get(name)?.stolen();
        this.#held.delete(name);
        request.run();
        return;
      }
      this.#queue.push(request);
      signal?.addEventListener('abort', () => {
        const at = this.#queue.indexOf(request);
        if (at >= 0) {
          this.#queue.splice(at, 1);
          reject(signal.reason);
        }
      });
      this.#next(name);
    });
  }

  #release(name: string): void {
    this.#held.delete(name);
    this.#next(name);
  }

  #next(name: string): void {
    if (this.#held.has(name)) return;
    const at = this.#queue.findIndex((r) => r.name === name);
    const [next] = at >= 0 ? this.#queue.splice(at, 1) : [];
    next?.run();
  }

  /** The page is gone, and its locks with it. */
  die(page: object): void {
    this.#dead.add(page);
    for (let i = this.#queue.length - 1; i >= 0; i--) if (this.#queue[i]?.page === page) this.#queue.splice(i, 1);
    for (const [name, held] of [...this.#held]) if (held.page === page) this.#release(name);
  }
}
