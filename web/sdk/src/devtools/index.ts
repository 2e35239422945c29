/**
 * A panel that shows what a client does, and does harm to its connection on purpose. It is loaded by `client.devtools()`.
 *
 * @packageDocumentation
 */

import type { Client } from '../client.js';
import type { Subscription } from '../subscription.js';
import type { Environment, Frame } from '../wire.js';
import { Faults } from './faults.js';
import { Panel } from './panel.js';

/** The panel, and the faults that it can inject, for tests as well. */
export interface Devtools {
  /** The custom element, `<starling-devtools>`. */
  readonly element: HTMLElement;
  /** Breaks the connection. */
  drop(): void;
  /** Makes each way take so much longer, in milliseconds. */
  delay(ms: number): void;
  /** Loses the next frame, and all that follow on its connection, until that is found to be dead. */
  lose(): void;
  /** Blocks a transport, as a proxy would, or lets it pass again. */
  block(transport: 'websocket' | 'sse' | 'poll', blocked: boolean): void;
  /** Ends the session as the server does when the token has ended. */
  expire(): void;
  /** Takes the panel away, and all faults back. */
  close(): void;
}

/** @internal What a client lets its devtools see. */
export interface Insides {
  readonly client: Client;
  readonly env: Environment;
  frames(hear: (frame: Frame) => void): () => void;
  subscriptions(): Iterable<Subscription>;
  /** Opens the connection anew, so that it can be harmed. */
  renew(): void;
  /** How long the last answer took, in milliseconds; null if there is no session. */
  latency(): number | null;
}

/** @internal */
export function open(insides: Insides): Devtools {
  const faults = new Faults();
  insides.env.tamper = (transport, connect) => faults.wrap(transport, connect);
  if (!customElements.get('starling-devtools')) customElements.define('starling-devtools', Panel);
  const element = document.createElement('starling-devtools') as Panel;
  const close = (): void => {
    delete insides.env.tamper;
    faults.delay = 0;
    element.remove();
  };
  element.begin(insides, faults, close);
  document.body.append(element);
  // What is open already was made before there was anything to harm it by.
  if (insides.client.state.name === 'connected') insides.renew();
  return {
    element, close,
    drop: () => faults.drop(),
    delay: (ms) => {
      faults.delay = ms;
    },
    lose: () => faults.lose(),
    block: (transport, blocked) => faults.block(transport, blocked),
    expire: () => faults.expire(),
  };
}
