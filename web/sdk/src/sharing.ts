import type { ConnectionState, Happening } from './machine.js';
import { readMessage } from './protocol.js';
import { type Connection, Runtime, type RuntimeHost, type RuntimeOptions } from './runtime.js';
import { Session } from './session.js';
import { Signaller } from './signaller.js';
import type { Tabs } from './tabs/bus.js';
import type { Environment } from './wire.js';

/** @internal A share in the connection of the tabs: what that takes is loaded when it is first needed. */
export class Sharing implements Connection {
  readonly #load: () => Promise<Connection>;
  readonly #host: RuntimeHost;
  readonly #early: Happening[] = [];
  #link: Connection | null = null;
  #state: ConnectionState = { name: 'idle' };

  constructor(host: RuntimeHost, env: Environment, o: RuntimeOptions, tabs: Tabs, apart: string) {
    this.#host = host;
    this.#load = async () => {
      try {
        const { TabLink } = await tabs.load();
        return new TabLink(host, env, o, tabs, { Runtime, Session, Signaller, readMessage }, apart, this.#state);
      } catch {
        return new Runtime(host, env, o); // it cannot be loaded now, so this tab stands for itself
      }
    };
  }

  get state(): ConnectionState {
    return this.#link?.state ?? this.#state;
  }

  get session(): Session | null {
    return this.#link?.session ?? null;
  }

  happen(event: Happening): void {
    if (this.#link) {
      this.#link.happen(event);
      return;
    }
    this.#early.push(event);
    if (event.type === 'connect') this.#set({ name: 'connecting', transport: null, attempt: 0, reason: null });
    else if (event.type === 'disconnect') this.#set({ name: 'disconnected', reason: 'asked' });
    if (this.#early.length === 1) void this.#begin();
  }

  async #begin(): Promise<void> {
    this.#link = await this.#load();
    for (const event of this.#early) this.#link.happen(event);
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    this.#host.state(state);
  }

  logout(): void {
    this.#link?.logout?.();
  }
}
