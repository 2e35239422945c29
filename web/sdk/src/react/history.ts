import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { Channel } from '../channel.js';
import type { Client } from '../client.js';
import type { StarlingError } from '../errors.js';
import type { Publication } from '../protocol.js';
import { useClient } from './context.js';

/** How a component reads a history. */
export interface UseHistoryOptions {
  /** How many publications a page has; 50 unless told. */
  readonly limit?: number;
  /** Whether what is published now is added; true unless told. */
  readonly live?: boolean;
}

/** A history as a component sees it: the newest page first, older ones on demand, and what comes. */
export interface HistoryView<T> {
  /** Oldest first, each once. */
  readonly publications: readonly Publication<T>[];
  readonly status: 'loading' | 'ready' | 'failed';
  readonly error: StarlingError | null;
  /** Whether there are older ones. */
  readonly more: boolean;
  /** Reads the page before. */
  readonly loadMore: () => Promise<void>;
  /** Reads it anew, from the newest. */
  readonly reload: () => Promise<void>;
}

/** @internal */
export class HistoryStore<T> {
  readonly #channel: Channel<T>;
  readonly #limit: number;
  readonly #live: boolean;
  readonly #listeners = new Set<() => void>();
  #view: HistoryView<T>;
  readonly #empty: HistoryView<T>;
  #before = '';
  #loading: Promise<void> | null = null;
  /** Of answers to what was asked before it was asked anew, none counts. */
  #turn = 0;
  #off: (() => void)[] = [];

  constructor(client: Client, name: string, limit: number, live: boolean) {
    this.#channel = client.channel<T>(name);
    this.#limit = limit;
    this.#live = live;
    this.#empty = { publications: [], status: 'loading', error: null, more: false, loadMore: () => this.#load(false), reload: () => this.#load(true) };
    this.#view = this.#empty;
  }

  readonly read = (): HistoryView<T> => this.#view;
  readonly readServer = (): HistoryView<T> => this.#empty;

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(changed);
      if (this.#listeners.size > 0) return;
      for (const off of this.#off.splice(0)) off();
    };
  };

  #begin(): void {
    if (!this.#live) {
      void this.#load(true);
      return;
    }
    // Read when it is followed, so that nothing falls between the two.
    this.#off = [
      this.#channel.on('publication', (p) => this.#set({ publications: this.#with([p]) })),
      this.#channel.on('subscribed', ({ recovered }) => {
        if (!recovered) void this.#load(true);
      }),
      this.#channel.on('reset', () => {
        this.#set({ publications: [] }); // their offsets may mean something else now
        void this.#load(true);
      }),
      this.#channel.on('error', (error) => this.#set({ status: 'failed', error })),
    ];
    if (this.#channel.subscribed) void this.#load(true);
  }

  #with(more: readonly Publication<T>[]): Publication<T>[] {
    const known = new Map([...this.#view.publications, ...more].map((p) => [p.id, p]));
    return [...known.values()].sort((a, b) => a.offset - b.offset);
  }

  #set(part: Partial<HistoryView<T>>): void {
    this.#view = { ...this.#view, ...part };
    for (const changed of this.#listeners) changed();
  }

  #load(anew: boolean): Promise<void> {
    if (!anew && (this.#loading || !this.#view.more)) return this.#loading ?? Promise.resolve();
    const turn = ++this.#turn;
    this.#loading = this.#ask(anew, turn).finally(() => {
      if (turn === this.#turn) this.#loading = null;
    });
    return this.#loading;
  }

  async #ask(anew: boolean, turn: number): Promise<void> {
    try {
      const page = await this.#channel.history(anew ? { newest: true, limit: this.#limit } : { before: this.#before, limit: this.#limit });
      if (turn !== this.#turn) return;
      this.#before = page.position;
      this.#set({ publications: anew ? this.#after(page.publications) : this.#with(page.publications), status: 'ready', error: null, more: page.more });
    } catch (e) {
      if (turn === this.#turn) this.#set({ status: 'failed', error: e as StarlingError });
    }
  }

  /** The page, and what has come since it was asked for. */
  #after(page: readonly Publication<T>[]): Publication<T>[] {
    const last = page.at(-1)?.offset ?? 0;
    const ids = new Set(page.map((p) => p.id));
    return [...page, ...this.#view.publications.filter((p) => p.offset > last && !ids.has(p.id))];
  }
}

/** Reads the history of a channel, the newest page first, and follows what comes, without a gap between the two. */
export function useHistory<T = unknown>(name: string, { limit = 50, live = true }: UseHistoryOptions = {}): HistoryView<T> {
  const client = useClient();
  const store = useMemo(() => new HistoryStore<T>(client, name, limit, live), [client, name, limit, live]);
  const subscribe = useCallback((changed: () => void) => store.subscribe(changed), [store]);
  return useSyncExternalStore(subscribe, store.read, store.readServer);
}
