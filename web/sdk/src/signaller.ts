import type { Command } from './protocol.js';
import type { Environment } from './wire.js';

/** @internal Where signals go out. */
export interface SignalOutlet {
  /** How many bytes wait to go out. */
  backlog(): number;
  say(command: Command): void;
}

/** Above this nothing more is sent, so that the newest value goes out when there is room. */
const ROOM = 64 << 10;
/** How many signals without a key wait. */
const MOST = 64;
const LATER = 50;
/** At most so often are signals sent, in milliseconds: the server obeys 100 commands a second. */
const PACE = 20;

/** @internal Sends signals when there is room; of one key only the newest value waits. */
export class Signaller {
  readonly #waiting = new Map<string, Command>();
  readonly #env: Environment;
  #outlet: SignalOutlet | null = null;
  #timer: unknown = null;
  #last = 0;
  #n = 0;

  constructor(env: Environment) {
    this.#env = env;
  }

  signal(command: Command & { readonly channel: string }, conflate: string): void {
    if (!conflate && (!this.#outlet || this.#waiting.size >= MOST)) return; // nobody is there to hear it
    const key = conflate ? `${command.channel}\n${conflate}` : `\n${++this.#n}`;
    this.#waiting.delete(key);
    this.#waiting.set(key, command);
    const wait = this.#last + PACE - this.#env.now();
    if (wait > 0) this.#later(wait);
    else this.flush();
  }

  use(outlet: SignalOutlet | null): void {
    this.#outlet = outlet;
    this.flush();
  }

  flush(): void {
    if (!this.#outlet) return;
    for (const [key, command] of this.#waiting) {
      if (this.#outlet.backlog() > ROOM) {
        this.#later(LATER);
        return;
      }
      this.#waiting.delete(key);
      this.#last = this.#env.now();
      this.#outlet.say(command);
    }
  }

  #later(ms: number): void {
    if (this.#timer !== null) return;
    this.#timer = this.#env.setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, ms);
  }

  abandon(): void {
    this.#waiting.clear();
  }
}
