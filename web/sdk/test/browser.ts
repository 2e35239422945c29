// A browser with tabs, in the model of a world.

import { IDBFactory } from 'fake-indexeddb';
import { type Client, type ClientOptions, clientIn } from '../src/client.js';
import type { Bus, Said } from '../src/tabs/bus.js';
import type { Environment, WebSocketMaker } from '../src/wire.js';
import { FakeLocks } from './locks.js';
import type { Clock, Network } from './world.js';

class Page extends EventTarget {
  visibilityState: 'visible' | 'hidden' = 'visible';
}

/** One tab: a page with a client in it. */
export class Tab {
  readonly document = new Page();
  readonly window = new EventTarget();
  readonly client: Client;
  readonly sockets = new Set<{ close(): void }>();
  alive = true;
  readonly #dead = new AbortController();

  constructor(
    readonly browser: Browser,
    options: ClientOptions,
  ) {
    const env = browser.network.environment();
    const { sockets } = this;
    const Real = env.WebSocket as WebSocketMaker;
    class Socket extends Real {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.add(this);
      }
      override close(): void {
        sockets.delete(this);
        super.close();
      }
    }
    const mine: Environment = {
      ...env,
      setTimeout: (f, ms) => env.setTimeout(() => this.alive && f(), ms),
      WebSocket: Socket,
      fetch: (input, init) => env.fetch?.(input, { ...init, signal: AbortSignal.any([this.#dead.signal, ...(init?.signal ? [init.signal] : [])]) }) ?? Promise.reject(new Error()),
      page: this,
      indexedDB: browser.indexedDB,
      locks: browser.locks.of(this),
      tabs: options.tabs === false ? undefined : { locks: browser.locks.of(this), open: (name) => browser.open(this, name), visible: () => this.document.visibilityState === 'visible' },
    };
    this.client = clientIn(options, mine, { get: () => null, set: () => {} }, 'http://model/');
  }

  /** The process ends: nothing is said to anybody. */
  die(): void {
    this.alive = false;
    this.#dead.abort();
    for (const s of [...this.sockets] as { close(): void; onclose: unknown; onmessage: unknown }[]) {
      s.onclose = s.onmessage = null;
      s.close();
    }
    this.browser.tabs.delete(this);
    this.browser.forget(this);
  }

  /** It is closed, as by its user. */
  close(): void {
    this.window.dispatchEvent(new Event('pagehide'));
    this.die();
  }

  show(visible: boolean): void {
    this.document.visibilityState = visible ? 'visible' : 'hidden';
    this.document.dispatchEvent(new Event('visibilitychange'));
  }

  freeze(): void {
    this.show(false);
    this.document.dispatchEvent(new Event('freeze'));
  }

  thaw(): void {
    this.document.dispatchEvent(new Event('resume'));
    this.show(true);
  }
}

export class Browser {
  readonly locks = new FakeLocks();
  readonly indexedDB = new IDBFactory();
  readonly tabs = new Set<Tab>();
  readonly #buses = new Map<string, Set<Bus & { readonly tab: Tab }>>();

  constructor(
    readonly clock: Clock,
    readonly network: Network,
  ) {}

  tab(options: ClientOptions = {}): Tab {
    const tab = new Tab(this, options);
    this.tabs.add(tab);
    return tab;
  }

  forget(tab: Tab): void {
    this.deafen(tab);
    this.locks.die(tab);
  }

  /** The tab hears nothing any more. */
  deafen(tab: Tab): void {
    for (const all of this.#buses.values()) for (const bus of all) if (bus.tab === tab) all.delete(bus);
  }

  /** How many lead. */
  async leaders(): Promise<number> {
    const { held = [] } = await this.locks.of({}).query();
    return held.filter((l) => l.name?.startsWith('starling http') && l.name.endsWith(' ')).length;
  }

  open(tab: Tab, name: string): Bus {
    const all = this.#buses.get(name) ?? new Set();
    this.#buses.set(name, all);
    const { clock } = this;
    const arrives = new Map<unknown, number>();
    const bus: Bus & { readonly tab: Tab } = {
      tab,
      onmessage: null,
      postMessage: (said: Said) => {
        const data = structuredClone(said);
        for (const other of all) {
          if (other === bus) continue;
          const at = Math.max(arrives.get(other) ?? 0, clock.now + clock.between(0, 4));
          arrives.set(other, at);
          clock.after(at - clock.now, () => {
            if (all.has(other)) (other.onmessage as ((event: { data: Said }) => void) | null)?.({ data });
          });
        }
      },
      close: () => void all.delete(bus),
    };
    all.add(bus);
    return bus;
  }
}
