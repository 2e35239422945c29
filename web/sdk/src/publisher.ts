import { whenAborted } from './abort.js';
import { delay } from './backoff.js';
import type { Dropped } from './drop.js';
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

/** @internal A publication as a command. */
export type PublishCommand = Command & { readonly channel: string; readonly key: string };

/** @internal Where publications go out. */
export interface Outlet {
  readonly maxMessage: number;
  /** How many bytes wait to go out. */
  backlog(): number;
  request(command: Command): Promise<Fields>;
}

/** @internal What was made and is not stored yet. */
export interface Outgoing {
  readonly command: PublishCommand;
  /** When it was made, in Unix milliseconds. */
  readonly made: number;
  readonly resolve: (p: Published) => void;
  readonly reject: (e: unknown) => void;
  failures: number;
  /** Whether it is kept for another visit. */
  kept: boolean;
}

/** @internal Keeps what is not sent for another visit. */
export interface Keeper {
  keep(o: Outgoing): void;
  /** Its fate is known: stored, or not because of the error. */
  done(o: Outgoing, error: unknown): void;
}

/** Above this the socket is full, and nothing is added. */
const FULL = 1 << 20;
const LATER = 50;
/** @internal How long a publication is kept, in milliseconds: the server knows keys for at least twice as long. */
export const KEPT = 12 * 60 * 60_000;
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
  readonly #most: number;
  readonly #dropped: (drop: Dropped) => void;
  /** Set where they outlive the page. */
  keeper: Keeper | null = null;
  #outlet: Outlet | null = null;
  #n = 0;

  /** @param most how many may wait */
  constructor(env: Environment, most: number, dropped: (drop: Dropped) => void) {
    this.#env = env;
    this.#most = most;
    this.#dropped = dropped;
  }

  publish(command: PublishCommand, signal?: AbortSignal): Promise<Published> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#n >= this.#most) {
      this.#dropped({ kind: 'publication', channel: command.channel, data: command.data, reason: 'full' });
      return Promise.reject(ownError('overflow', `${this.#most} publications wait already.`));
    }
    return new Promise((resolve, reject) => {
      let deaf = (): void => {};
      const o: Outgoing = {
        command, made: this.#env.now(), failures: 0, kept: false,
        resolve: (p) => {
          deaf();
          resolve(p);
        },
        reject: (e) => {
          deaf();
          reject(e);
        },
      };
      deaf = whenAborted(signal, (reason) => this.#fail(o, reason));
      this.#queue(command.channel).push(o);
      this.#n++;
      // Also behind others that are kept, so that they go out in their order another time.
      if (!this.#outlet) this.#keep(o);
      void this.#flush(command.channel);
    });
  }

  /** Puts what was kept in earlier visits before what was made in this one. */
  restore(kept: readonly Outgoing[]): void {
    for (const o of [...kept].reverse()) {
      const queue = this.#queue(o.command.channel);
      if (queue.some((other) => other.command.key === o.command.key)) continue;
      queue.unshift(o);
      this.#n++;
    }
  }

  #queue(channel: string): Outgoing[] {
    const queue = this.#queues.get(channel) ?? [];
    this.#queues.set(channel, queue);
    return queue;
  }

  #keep(o: Outgoing): void {
    if (o.kept || !this.keeper) return;
    o.kept = true;
    this.keeper.keep(o);
  }

  /** There is a session, or there is none any more. */
  use(outlet: Outlet | null): void {
    this.#outlet = outlet;
    if (outlet) for (const channel of this.#queues.keys()) void this.#flush(channel);
    else for (const o of [...this.#queues.values()].flat()) this.#keep(o);
  }

  /** Gives up what waits. */
  abandon(e: StarlingError): void {
    for (const o of [...this.#queues.values()].flat()) this.#fail(o, e);
  }

  #fail(o: Outgoing, e: unknown): void {
    if (!this.#remove(o)) return;
    if (o.kept) this.keeper?.done(o, e);
    o.reject(e);
  }

  async #flush(channel: string): Promise<void> {
    if (this.#sending.has(channel)) return;
    this.#sending.add(channel);
    for (;;) {
      const o = this.#queues.get(channel)?.[0];
      const outlet = this.#outlet;
      if (!o || !outlet) break;
      const outcome = await this.#send(o, outlet);
      if (outcome === 'full') await this.#wait(LATER);
      else if (outcome === 'later') await this.#wait(delay(++o.failures, this.#env.random));
      // The next session goes on; if there is one already, with this.
      else if (outcome === 'lost' && this.#outlet === outlet) break;
    }
    this.#sending.delete(channel);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((done) => void this.#env.setTimeout(done, ms));
  }

  /** Returns false if it was given up before. */
  #remove(o: Outgoing): boolean {
    const queue = this.#queues.get(o.command.channel);
    const at = queue?.indexOf(o) ?? -1;
    if (!queue || at < 0) return false;
    queue.splice(at, 1);
    this.#n--;
    if (queue.length === 0) this.#queues.delete(o.command.channel);
    return true;
  }

  async #send(o: Outgoing, outlet: Outlet): Promise<'done' | 'later' | 'lost' | 'full'> {
    if (o.kept && this.#env.now() - o.made > KEPT) {
      // The server may have forgotten the key, and would store it twice.
      this.#fail(o, ownError('expired', 'The publication waited for more than 12 hours.'));
      return 'done';
    }
    // The server ends a connection that says too much, so it is not tried.
    if (encoder.encode(JSON.stringify(o.command)).length + 32 > outlet.maxMessage) {
      this.#fail(o, new StarlingError({ code: codes.too_large, name: 'too_large', message: `A message has at most ${outlet.maxMessage} bytes.`, retry: false }));
      return 'done';
    }
    const backlog = outlet.backlog();
    if (backlog > FULL && backlog < Number.POSITIVE_INFINITY) return 'full';
    try {
      const r = await outlet.request(o.command);
      if (!this.#remove(o)) return 'done';
      if (o.kept) this.keeper?.done(o, null);
      o.resolve({ offset: numberOf(r.offset), position: textOf(r.position), duplicate: r.duplicate === true, key: o.command.key });
      return 'done';
    } catch (e) {
      const error = e instanceof StarlingError ? e : ownError('lost', String(e));
      if (error.code === 0) return 'lost';
      if (error.retry) return 'later';
      this.#fail(o, error);
      return 'done';
    }
  }
}

/** @internal A key that nobody else makes. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
}
