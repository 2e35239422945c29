import { useCallback, useMemo, useRef, useSyncExternalStore } from 'react';
import type { Channel } from '../channel.js';
import type { Client } from '../client.js';
import type { StarlingError } from '../errors.js';
import type { Publication, Signal } from '../protocol.js';
import type { ChannelOptions } from '../subscription.js';
import { useClient } from './context.js';

/** How a component follows a channel. Its options are compared by what they say, so they may be written in place. */
export interface UseChannelOptions<T> extends ChannelOptions {
  /** How many of the newest publications are kept; 100 unless told. */
  readonly limit?: number;
  /** What is kept of a publication; those for which it returns undefined are left out. The one of the first render counts. */
  readonly select?: (publication: Publication<T>) => unknown;
  /** Whether to follow it now; true unless told. */
  readonly enabled?: boolean;
}

/** A channel as a component sees it. It is the same object as long as nothing changes. */
export interface ChannelView<T, S = Publication<T>> {
  /** What has come since this component follows the channel, oldest first. */
  readonly publications: readonly S[];
  /** The newest signal of each key, and the last without one under the empty key. */
  readonly signals: ReadonlyMap<string, Signal<T>>;
  /** Whether the subscription is there at this moment. */
  readonly subscribed: boolean;
  /** How often something was missed for good: fetch your state anew when it grows. */
  readonly resets: number;
  /** Why the server refuses the subscription, or has ended it. */
  readonly error: StarlingError | null;
  readonly channel: Channel<T>;
}

/** @internal What one component has of a channel. */
export class ChannelStore<T> {
  readonly #client: Client;
  readonly #channel: Channel<T>;
  readonly #limit: number;
  readonly #select: ((p: Publication<T>) => unknown) | undefined;
  readonly #empty: ChannelView<T, unknown>;
  #view: ChannelView<T, unknown>;

  constructor(client: Client, name: string, options: ChannelOptions, limit: number, select: ((p: Publication<T>) => unknown) | undefined) {
    this.#client = client;
    this.#channel = Object.keys(options).length > 0 ? client.channel<T>(name, options) : client.channel<T>(name);
    this.#limit = limit;
    this.#select = select;
    this.#empty = { publications: [], signals: new Map(), subscribed: false, resets: 0, error: null, channel: this.#channel };
    this.#view = this.#empty;
  }

  readonly read = (): ChannelView<T, unknown> => this.#view;
  readonly readServer = (): ChannelView<T, unknown> => this.#empty;

  /** Follows the channel. What was seen before stays: React may leave and come back at once. */
  readonly subscribe = (changed: () => void): (() => void) => {
    const set = (part: Partial<ChannelView<T, unknown>>): void => {
      this.#view = { ...this.#view, ...part };
      changed();
    };
    const ch = this.#channel;
    if (ch.subscribed) set({ subscribed: true });
    const offs = [
      ch.on('publication', (p) => {
        const kept = this.#select ? this.#select(p) : p;
        if (kept !== undefined) set({ publications: [...this.#view.publications, kept].slice(-this.#limit) });
      }),
      ch.on('signal', (s) => {
        const signals = new Map(this.#view.signals);
        if (s.deleted) signals.delete(s.conflate ?? '');
        else signals.set(s.conflate ?? '', s);
        set({ signals });
      }),
      ch.on('subscribed', () => set({ subscribed: true, error: null })),
      ch.on('unsubscribed', ({ error }) => set({ subscribed: false, error })),
      ch.on('reset', () => set({ resets: this.#view.resets + 1 })),
      ch.on('error', (error) => set({ error })),
      this.#client.on('state', () => {
        if (this.#view.subscribed && !ch.subscribed) set({ subscribed: false });
      }),
    ];
    return () => {
      for (const off of offs) off();
    };
  };
}

const never = (): (() => void) => () => {};

/** Follows a channel as long as the component is there. */
export function useChannel<T = unknown>(name: string, options?: Omit<UseChannelOptions<T>, 'select'>): ChannelView<T>;
/** Follows a channel as long as the component is there, and keeps what `select` makes of publications. */
export function useChannel<T, S>(name: string, options: UseChannelOptions<T> & { readonly select: (publication: Publication<T>) => S }): ChannelView<T, Exclude<S, undefined>>;
export function useChannel<T>(name: string, { limit = 100, select, enabled = true, ...options }: UseChannelOptions<T> = {}): ChannelView<T, unknown> {
  const client = useClient();
  const said = JSON.stringify(options);
  const first = useRef(select);
  const store = useMemo(() => new ChannelStore<T>(client, name, JSON.parse(said) as ChannelOptions, limit, first.current && ((p) => first.current?.(p))), [client, name, said, limit]);
  const subscribe = useCallback((changed: () => void) => (enabled ? store.subscribe(changed) : never()), [store, enabled]);
  return useSyncExternalStore(subscribe, store.read, store.readServer);
}
