import type { Command, Fields, readMessage } from '../protocol.js';
import type { Listener, Wire } from '../wire.js';

/** @internal A session at the leader's session: it lives as long as that does. */
export class TabWire implements Wire {
  readonly asks = false;
  readonly shared = true;
  readonly #on: Listener;
  readonly #post: (command: Command) => void;
  readonly #read: typeof readMessage;
  #over = false;

  constructor(on: Listener, read: typeof readMessage, post: (command: Command) => void) {
    this.#on = on;
    this.#read = read;
    this.#post = post;
    queueMicrotask(() => {
      if (!this.#over) on.open('');
    });
  }

  send(command: Command): void {
    if (!this.#over) this.#post(command);
  }

  /** The leader watches the socket, and lets newer signals replace those that wait. */
  backlog(): number {
    return 0;
  }

  take(fields: Fields): void {
    const m = this.#over ? null : this.#read(fields);
    if (m) this.#on.message(m);
  }

  close(): void {
    this.#over = true;
  }
}
