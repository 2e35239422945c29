import type { Happening } from '../machine.js';
import type { Command, Fields } from '../protocol.js';
import { type RuntimeHost, type RuntimeOptions, runtime } from '../runtime.js';
import type { Environment } from '../wire.js';
import type { Said } from './bus.js';
import { type Hub, hub } from './hub.js';

/** @internal Whom a leader tells. */
export interface LeaderHost {
  say(said: Said): void;
  /** All tabs that have said something. */
  tabs(): readonly string[];
  /** Whether there are others, or have been. */
  company(): boolean;
}

/** @internal The tab that has the connection. */
export interface Leader {
  tell(): void;
  happen(event: Happening): void;
  command(tab: string, life: string, command: Command): void;
  forsake(tab: string): void;
}

/** @internal */
export function lead(id: string, own: RuntimeHost, env: Environment, o: RuntimeOptions, host: LeaderHost): Leader {
  let serving: Hub | null = null;
  let lives = 0;
  /** Which of its sessions is there, or an empty text. */
  let life = '';
  /** Null as long as the server has not said it of this life. */
  let user: string | null = null;
  const tell = (): void => host.say({ type: 'state', leader: id, state: connection.state, life, user });
  const send = (to: readonly string[], of: string, message: Fields): void => host.say({ type: 'message', to, life: of, message });
  const connection = runtime({
    ...own,
    subscriptions: () => [],
    find: () => [],
    raw: (m) => serving?.raw(m),
    use(session) {
      serving?.end();
      user = null;
      const mine = session ? `${id} ${++lives}` : '';
      life = mine;
      serving = session && hub(session, env, (to, m) => send(to, mine, m), host.company);
      tell();
    },
    drained: () => serving?.drained(),
    forget: () => {},
    state: tell,
    user(name) {
      user = name;
      tell();
    },
    complained: (channel, error) => send(host.tabs(), life, { type: 'error', channel, error }),
  }, env, o);
  return {
    tell,
    happen: connection.happen,
    command(tab, of, command) {
      if (of === life) serving?.command(tab, command);
    },
    forsake: (tab) => serving?.forsake(tab),
  };
}
