import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { PublishOptions } from '../channel.js';
import type { StarlingError } from '../errors.js';
import type { Published } from '../publisher.js';
import { useClient } from './context.js';

/** Publishes, and how that goes. */
export interface UsePublish<T> {
  /** Publishes; see `Channel.publish`. It is the same function in each render. */
  readonly publish: (data: T, options?: PublishOptions) => Promise<Published>;
  /** How many are not stored yet. */
  readonly pending: number;
  /** Why the last that was refused was refused; null again after the next that is stored. */
  readonly error: StarlingError | null;
}

class PublishStore {
  view: { readonly pending: number; readonly error: StarlingError | null } = { pending: 0, error: null };
  readonly #changed = new Set<() => void>();

  readonly read = (): PublishStore['view'] => this.view;

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#changed.add(changed);
    return () => void this.#changed.delete(changed);
  };

  set(view: PublishStore['view']): void {
    this.view = view;
    for (const changed of this.#changed) changed();
  }

  async follow(published: Promise<Published>): Promise<Published> {
    this.set({ ...this.view, pending: this.view.pending + 1 });
    try {
      const p = await published;
      this.set({ pending: this.view.pending - 1, error: null });
      return p;
    } catch (e) {
      this.set({ pending: this.view.pending - 1, error: e as StarlingError });
      throw e;
    }
  }
}

/** Publishes on a channel, without following it. */
export function usePublish<T = unknown>(name: string): UsePublish<T> {
  const client = useClient();
  const ref = useRef<PublishStore | null>(null);
  ref.current ??= new PublishStore();
  const store = ref.current;
  const publish = useCallback((data: T, options?: PublishOptions) => store.follow(client.channel<T>(name).publish(data, options)), [client, name, store]);
  const view = useSyncExternalStore(store.subscribe, store.read, store.read);
  return { publish, ...view };
}

/** Sends signals on a channel, without following it. The function is the same in each render. */
export function useSignal<T = unknown>(name: string): (data: T, options?: { readonly conflate?: string }) => void {
  const client = useClient();
  return useCallback((data: T, options?: { readonly conflate?: string }) => client.channel<T>(name).signal(data, options), [client, name]);
}
