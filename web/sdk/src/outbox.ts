// Publications that outlive the page.

import type { Keeper, Outgoing, PublishCommand } from './publisher.js';

/** What became of a publication that was kept in the outbox. */
export interface OutboxEvent {
  /** `expired`: it waited for more than 12 hours, and was not sent; ask whether it still shall be. */
  readonly outcome: 'stored' | 'refused' | 'expired';
  readonly channel: string;
  readonly data: unknown;
  readonly key: string;
  /** When it was made, in Unix milliseconds. */
  readonly made: number;
  /** Why it was not stored. */
  readonly error: Error | null;
}

/** @internal What an outbox needs. */
export interface OutboxSurroundings {
  readonly indexedDB: IDBFactory;
  /** Tells which pages are there, so that none takes what another will send; null where that cannot be known. */
  readonly locks: LockManager | null;
  readonly now: () => number;
  /** What this page is called. */
  readonly page: string;
  readonly told: (event: OutboxEvent) => void;
  readonly trouble: (e: unknown) => void;
  readonly keptFor: number;
  readonly expired: () => Error;
}

interface Row {
  readonly place: string;
  readonly made: number;
  readonly n: number;
  readonly key: string;
  /** The page that will send it. */
  readonly page: string;
  /** The command, as JSON: what is published is that, not a structure of the database's. */
  readonly command: string;
}

type Id = [place: string, made: number, n: number, key: string];
const STORE = 'outbox';

/** @internal */
export class Outbox implements Keeper {
  readonly #o: OutboxSurroundings;
  readonly #base: string;
  readonly #ids = new Map<string, Row>();
  #db: Promise<IDBDatabase>;
  #place: string;
  #n = 0;

  /** @param user whom the page takes itself for, until the server has said it */
  constructor(base: string, user: string, o: OutboxSurroundings) {
    this.#o = o;
    this.#base = base;
    this.#place = placeOf(base, user);
    this.#db = open(o.indexedDB);
    this.#db.catch(o.trouble);
    // Held as long as the page lives: others see by it that it does.
    void o.locks?.request(lockOf(o.page), () => new Promise(() => {})).catch(() => {});
  }

  keep(out: Outgoing): void {
    const { command, made } = out;
    const row: Row = { place: this.#place, made, n: ++this.#n, key: command.key, page: this.#o.page, command: JSON.stringify(command) };
    this.#ids.set(command.key, row);
    void this.#do((store) => store.put(row));
  }

  done(out: Outgoing, error: unknown): void {
    const row = this.#ids.get(out.command.key);
    if (!row) return;
    this.#ids.delete(row.key);
    void this.#do((store) => store.delete(idOf(row)));
    const e = error === null ? null : error instanceof Error ? error : new Error(String(error));
    this.#tell(row, e, e?.name === 'expired' ? 'expired' : e ? 'refused' : 'stored');
  }

  #tell(row: Row, error: Error | null, outcome: OutboxEvent['outcome']): void {
    const { channel, data, key } = JSON.parse(row.command) as PublishCommand;
    this.#o.told({ outcome, channel, data, key, made: row.made, error });
  }

  /**
   * Returns what is to be sent for this user: what pages kept that are gone. What this page has kept
   * meanwhile is this user's from now on.
   */
  async claim(user: string): Promise<Outgoing[]> {
    const before = this.#place;
    this.#place = placeOf(this.#base, user);
    if (before !== this.#place) {
      for (const row of [...this.#ids.values()]) {
        const moved = { ...row, place: this.#place };
        this.#ids.set(row.key, moved);
        void this.#do((store) => {
          store.delete(idOf(row));
          return store.put(moved);
        });
      }
    }
    const claimed: Outgoing[] = [];
    try {
      const alive = await this.#alive();
      for (const row of await this.#rows()) {
        if (alive.has(row.page) || this.#ids.has(row.key)) continue;
        if (this.#o.now() - row.made > this.#o.keptFor) {
          void this.#do((store) => store.delete(idOf(row)));
          this.#tell(row, this.#o.expired(), 'expired');
          continue;
        }
        const mine = { ...row, page: this.#o.page };
        this.#ids.set(row.key, mine);
        void this.#do((store) => store.put(mine));
        claimed.push({ command: JSON.parse(row.command) as PublishCommand, made: row.made, resolve: () => {}, reject: () => {}, failures: 0, kept: true });
      }
    } catch (e) {
      this.#o.trouble(e);
    }
    return claimed;
  }

  /** Throws away what is kept for the user, also by other pages. */
  async clear(): Promise<void> {
    this.#ids.clear();
    await this.#do((store) => store.delete(rangeOf(this.#place)));
  }

  async #alive(): Promise<Set<string>> {
    const alive = new Set([this.#o.page]);
    const { held = [] } = (await this.#o.locks?.query()) ?? {};
    for (const { name } of held) if (name?.startsWith(lockOf(''))) alive.add(name.slice(lockOf('').length));
    return alive;
  }

  async #rows(): Promise<Row[]> {
    const db = await this.#db;
    return result(db.transaction(STORE).objectStore(STORE).getAll(rangeOf(this.#place)) as IDBRequest<Row[]>);
  }

  /** What is asked for first is done first. */
  async #do(f: (store: IDBObjectStore) => IDBRequest): Promise<void> {
    try {
      const db = await this.#db;
      await result(f(db.transaction(STORE, 'readwrite').objectStore(STORE)));
    } catch (e) {
      this.#o.trouble(e);
    }
  }
}

const lockOf = (page: string): string => `starling outbox ${page}`;
const placeOf = (base: string, user: string): string => `${base} ${user}`;
const idOf = (row: Row): Id => [row.place, row.made, row.n, row.key];
const rangeOf = (place: string): IDBKeyRange => IDBKeyRange.bound([place], [place, []]);

function open(factory: IDBFactory): Promise<IDBDatabase> {
  const opening = factory.open('starling', 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(STORE, { keyPath: ['place', 'made', 'n', 'key'] });
  };
  return result(opening);
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
