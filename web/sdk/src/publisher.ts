import { delay } from './backoff.js';
import { ownError, StarlingError } from './errors.js';
import { codes, type Command, type Fields, numberOf, textOf } from './protocol.js';
import type { Environment } from './wire.js';

/** What became of a publication. */
export interface Published {
  readonly offset: number;
  readonly position: string;
  /** Whether it was stored before, under the same key. */
  readonly duplicate: boolean;
  readonly key: string;
}

/** @internal Where publications go out. */
export interface Outlet {
  readonly maxMessage: number;
  request(command: Command): Promise<Fields>;
}

interface Outgoing {
  readonly command: Command & { readonly key: string };
  readonly resolve: (p: Published) => void;
  readonly reject: (e: StarlingError) => void;
  failures: number;
}

/** How many may wait. */
const MOST = 1000;
const encoder = new TextEncoder();

/**
 * @internal Sends publications, those of a channel one after the other, so that they are stored in the order
 * in which they were made. One whose fate is not known goes out again under its key, and so is
 * stored once.
 */
export class Publisher {
  readonly #queues = new Map<string, Outgoing[]>();
  readonly #sending = new Set<string>();
  readonly #env: Environment;
  #outlet: Outlet | null = null;
  #n = 0;

  constructor(env: Environment) {
    this.#env = env;
  }

  publish(command: Command & { readonly channel: string; readonly key: string }): Promise<Published> {
    if (this.#n >= MOST) return Promise.reject(ownError('overflow', `${MOST} publications wait already.`));
    return new Promise((resolve, reject) => {
      this.#n++;
      const queue = this.#queues.get(command.channel) ?? [];
      this.#queues.set(command.channel, queue);
      queue.push({ command, resolve, reject, failures: 0 });
      void this.#flush(command.channel);
    });
  }

  /** There is a session, or there is none any more. */
  use(outlet: Outlet | null): void {
    this.#outlet = outlet;
    if (outlet) for (const channel of this.#queues.keys()) void this.#flush(channel);
  }

  /** Gives up what waits. */
  abandon(e: StarlingError): void {
    const all = [...this.#queues.values()].flat();
    this.#queues.clear();
    this.#n = 0;
    for (const o of all) o.reject(e);
  }

  async #flush(channel: string): Promise<void> {
    if (this.#sending.has(channel)) return;
    this.#sending.add(channel);
    for (;;) {
      const outgoing = this.#queues.get(channel)?.[0];
      const outlet = this.#outlet;
      if (!outgoing || !outlet) break;
      const outcome = await this.#send(outgoing, outlet);
      if (outcome === 'later') await new Promise<void>((done) => this.#env.setTimeout(done, delay(++outgoing.failures, this.#env.random)));
      // The next session goes on; if there is one already, with this.
      else if (outcome === 'lost' && this.#outlet === outlet) break;
      else if (outcome === 'done') this.#remove(channel, outgoing);
    }
    this.#sending.delete(channel);
  }

  #remove(channel: string, outgoing: Outgoing): void {
    const queue = this.#queues.get(channel);
    if (queue?.[0] !== outgoing) return; // it was given up meanwhile
    queue.shift();
    this.#n--;
    if (queue.length === 0) this.#queues.delete(channel);
  }

  async #send(o: Outgoing, outlet: Outlet): Promise<'done' | 'later' | 'lost'> {
    // The server ends a connection that says too much, so it is not tried.
    if (encoder.encode(JSON.stringify(o.command)).length + 32 > outlet.maxMessage) {
      o.reject(new StarlingError({ code: codes.too_large, name: 'too_large', message: `A message has at most ${outlet.maxMessage} bytes.`, retry: false }));
      return 'done';
    }
    try {
      const r = await outlet.request(o.command);
      o.resolve({ offset: numberOf(r.offset), position: textOf(r.position), duplicate: r.duplicate === true, key: o.command.key });
      return 'done';
    } catch (e) {
      const error = e instanceof StarlingError ? e : ownError('lost', String(e));
      if (error.code === 0) return 'lost';
      if (error.retry) return 'later';
      o.reject(error);
      return 'done';
    }
  }
}

/** @internal A key that nobody else makes. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
}
