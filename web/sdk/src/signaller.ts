import type { Dropped } from './drop.js';
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
/** How many signals without a key wait, and how many with one. */
const MOST = 64;
const MOST_KEYS = 10_000;
const LATER = 50;
/** At most so often are signals sent, in milliseconds: the server obeys 100 commands a second. */
const PACE = 20;

/** @internal Sends signals when there is room; of one key only the newest value waits. */
export class Signaller {
  readonly #waiting = new Map<string, Command>();
  readonly #env: Environment;
  readonly #dropped: (drop: Dropped) => void;
  #outlet: SignalOutlet | null = null;
  #timer: unknown = null;
  #last = 0;
  #n = 0;
  /** How many of those that wait have no key. */
  #passing = 0;

  constructor(env: Environment, dropped: (drop: Dropped) => void) {
    this.#env = env;
    this.#dropped = dropped;
  }

  signal(command: Command & { readonly channel: string }, conflate: string): void {
    const key = conflate ? `${command.channel}\n${conflate}` : `\n${++this.#n}`;
    const reason = !conflate && !this.#outlet ? 'offline' : this.#isFull(key, conflate) ? 'full' : null;
    if (reason) {
      this.#dropped({ kind: 'signal', channel: command.channel, data: command.data, reason });
      return;
    }
    if (!conflate) this.#passing++;
    this.#waiting.delete(key);
    this.#waiting.set(key, command);
    const wait = this.#last + PACE - this.#env.now();
    if (wait > 0) this.#later(wait);
    else this.flush();
  }

  #isFull(key: string, conflate: string): boolean {
    if (!conflate) return this.#passing >= MOST;
    return !this.#waiting.has(key) && this.#waiting.size - this.#passing >= MOST_KEYS;
  }

  use(outlet: SignalOutlet | null): void {
    this.#outlet = outlet;
    if (!outlet) this.#dropPassing();
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
      if (key.startsWith('\n')) this.#passing--;
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

  /** What has no key is for who is there now. */
  #dropPassing(): void {
    for (const [key, { channel, data }] of this.#waiting) {
      if (!key.startsWith('\n')) continue;
      this.#waiting.delete(key);
      this.#dropped({ kind: 'signal', channel: String(channel), data, reason: 'offline' });
    }
    this.#passing = 0;
  }

  abandon(): void {
    this.#dropPassing();
    this.#waiting.clear();
  }
}
