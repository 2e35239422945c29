import type { ConnectionState, Happening } from '../machine.js';
import type { Command, Fields } from '../protocol.js';
import type { Runtime, RuntimeHost, RuntimeOptions } from '../runtime.js';
import type { Environment } from '../wire.js';
import type { Kit } from './bus.js';
import { Hub } from './hub.js';

/** @internal Whom a leader tells. */
export interface LeaderHost {
  changed(state: ConnectionState, life: string, user: string | null): void;
  send(to: readonly string[], life: string, message: Fields): void;
  /** All tabs that have said something. */
  tabs(): readonly string[];
  /** Whether there are others, or have been. */
  company(): boolean;
}

/** @internal The tab that has the connection. */
export class Leader {
  readonly #runtime: Runtime;
  readonly #host: LeaderHost;
  readonly #behind = new Map<string, Command>();
  readonly #id: string;
  #hub: Hub | null = null;
  #lives = 0;
  /** Null as long as the server has not said it of this life. */
  #user: string | null = null;

  constructor(id: string, own: RuntimeHost, env: Environment, o: RuntimeOptions, kit: Kit, host: LeaderHost) {
    this.#id = id;
    this.#host = host;
    this.#runtime = new kit.Runtime({
      subscriptions: () => [],
      find: () => [],
      raw: (m) => this.#hub?.raw(m),
      use: (session) => {
        this.#hub?.end();
        this.#user = null;
        const life = session ? `${id} ${++this.#lives}` : '';
        const send = (to: readonly string[], m: Fields): void => host.send(to, life, m);
        this.#hub = session && new Hub(session, new kit.Signaller(env, () => {}), env, this.#behind, send, () => this.happen({ type: 'wake', anew: true }), () => host.company());
        this.tell();
      },
      drained: () => this.#hub?.drained(),
      forget: () => {},
      state: () => this.tell(),
      user: (user) => {
        this.#user = user;
        this.tell();
      },
      trouble: own.trouble,
      complained: (channel, error) => host.send(host.tabs(), this.life, { type: 'error', channel, error }),
      frame: own.frame,
    }, env, o);
  }

  /** Which of its sessions is there, or an empty text. */
  get life(): string {
    return this.#hub ? `${this.#id} ${this.#lives}` : '';
  }

  tell(): void {
    this.#host.changed(this.#runtime.state, this.life, this.#user);
  }

  happen(event: Happening): void {
    this.#runtime.happen(event);
  }

  command(tab: string, life: string, command: Command): void {
    if (life === this.life) this.#hub?.command(tab, command);
  }

  forsake(tab: string): void {
    this.#hub?.forsake(tab);
  }

  end(): void {
    this.happen({ type: 'disconnect' });
  }
}
