import { whenAborted } from './abort.js';
import { delay } from './backoff.js';
import type { Dropped } from './drop.js';
import { ownError, refuse, type StarlingError } from './errors.js';
import { type Command, type Fields, numberOf, textOf } from './protocol.js';
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
export interface Publisher {
  /** Set where they outlive the page. */
  keeper: Keeper | null;
  publish(command: PublishCommand, signal?: AbortSignal): Promise<Published>;
  /** Puts what was kept in earlier visits before what was made in this one. */
  restore(kept: readonly Outgoing[]): void;
  /** There is a session, or there is none any more. */
  use(outlet: Outlet | null): void;
  /** Gives up what waits. */
  abandon(e: StarlingError): void;
}

/**
 * @internal
 *
 * @param most how many may wait
 */
export function publisher(env: Environment, most: number, dropped: (drop: Dropped) => void): Publisher {
  const queues = new Map<string, Outgoing[]>();
  const sending = new Set<string>();
  let outlet: Outlet | null = null;
  let n = 0;

  const all = (): Outgoing[] => [...queues.values()].flat();

  const queueOf = (channel: string): Outgoing[] => {
    const queue = queues.get(channel) ?? [];
    queues.set(channel, queue);
    return queue;
  };

  const keep = (o: Outgoing): void => {
    if (o.kept || !self.keeper) return;
    o.kept = true;
    self.keeper.keep(o);
  };

  /** Its fate is known. Returns false if it was given up before. */
  const settle = (o: Outgoing, error: unknown): boolean => {
    const { channel } = o.command;
    const queue = queueOf(channel);
    const at = queue.indexOf(o);
    if (at >= 0) {
      queue.splice(at, 1);
      n--;
      if (o.kept) self.keeper?.done(o, error);
    }
    if (queue.length === 0) queues.delete(channel);
    return at >= 0;
  };

  const fail = (o: Outgoing, e: unknown): void => {
    if (settle(o, e)) o.reject(e);
  };

  const wait = (ms: number): Promise<void> => new Promise((done) => void env.setTimeout(done, ms));

  const flush = async (channel: string): Promise<void> => {
    if (sending.has(channel)) return;
    sending.add(channel);
    for (;;) {
      const o = queues.get(channel)?.[0];
      const to = outlet;
      if (!o || !to) break;
      const outcome = await send(o, to);
      if (outcome === 'full') await wait(LATER);
      else if (outcome === 'later') await wait(delay(++o.failures, env.random));
      // The next session goes on; if there is one already, with this.
      else if (outcome === 'lost' && outlet === to) break;
    }
    sending.delete(channel);
  };

  const send = async (o: Outgoing, to: Outlet): Promise<'done' | 'later' | 'lost' | 'full'> => {
    const { maxMessage } = to;
    if (o.kept && env.now() - o.made > KEPT) {
      // The server may have forgotten the key, and would store it twice.
      fail(o, ownError('expired', 'The publication waited for more than 12 hours.'));
      return 'done';
    }
    // The server ends a connection that says too much, so it is not tried.
    if (encoder.encode(JSON.stringify(o.command)).length + 32 > maxMessage) {
      fail(o, refuse('too_large', `A message has at most ${maxMessage} bytes.`));
      return 'done';
    }
    const backlog = to.backlog();
    if (backlog > FULL && backlog < Infinity) return 'full';
    try {
      const r = await to.request(o.command);
      if (settle(o, null)) o.resolve({ offset: numberOf(r.offset), position: textOf(r.position), duplicate: r.duplicate === true, key: o.command.key });
      return 'done';
    } catch (e) {
      const { code = 0, retry } = e as StarlingError;
      if (!code) return 'lost';
      if (retry) return 'later';
      fail(o, e);
      return 'done';
    }
  };

  const self: Publisher = {
    keeper: null,
    publish(command, signal) {
      const { channel, data } = command;
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (n >= most) {
        dropped({ kind: 'publication', channel, data, reason: 'full' });
        return Promise.reject(ownError('overflow', `${most} publications wait already.`));
      }
      let off = (): void => {};
      const promise = new Promise<Published>((resolve, reject) => {
        const o: Outgoing = { command, made: env.now(), failures: 0, kept: false, resolve, reject };
        queueOf(channel).push(o);
        n++;
        // Also behind others that are kept, so that they go out in their order another time.
        if (!outlet) keep(o);
        off = whenAborted(signal, (reason) => fail(o, reason));
        void flush(channel);
      });
      promise.then(off, off);
      return promise;
    },
    restore(kept) {
      for (const o of [...kept].reverse()) {
        const queue = queueOf(o.command.channel);
        if (queue.some((other) => other.command.key === o.command.key)) continue;
        queue.unshift(o);
        n++;
      }
    },
    use(next) {
      outlet = next;
      if (next) for (const channel of queues.keys()) void flush(channel);
      else for (const o of all()) keep(o);
    },
    abandon(e) {
      for (const o of all()) fail(o, e);
    },
  };
  return self;
}

/** @internal A key that nobody else makes. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
}
