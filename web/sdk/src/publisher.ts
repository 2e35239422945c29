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
  /** What is not stored yet, in the order in which it goes out. */
  let waiting = new Set<Outgoing>();
  const sending = new Set<string>();
  let outlet: Outlet | null = null;

  const first = (channel: string): Outgoing | null => {
    for (const o of waiting) if (o.command.channel === channel) return o;
    return null;
  };

  const keep = (o: Outgoing): void => {
    if (o.kept || !self.keeper) return;
    o.kept = true;
    self.keeper.keep(o);
  };

  /** Its fate is known. Returns false if it was given up before. */
  const settle = (o: Outgoing, error: unknown): boolean => {
    const known = waiting.delete(o);
    if (known && o.kept) self.keeper?.done(o, error);
    return known;
  };

  const fail = (o: Outgoing, e: unknown): void => {
    if (settle(o, e)) o.reject(e);
  };

  const flush = async (channel: string): Promise<void> => {
    if (sending.has(channel)) return;
    sending.add(channel);
    for (;;) {
      const o = first(channel);
      const to = outlet;
      if (!o || !to) break;
      const ms = await send(o, to);
      if (ms) await new Promise<void>((done) => env.setTimeout(done, ms));
      // The next session goes on; if there is one already, with this.
      else if (ms === null && outlet === to) break;
    }
    sending.delete(channel);
  };

  /** Returns after how many milliseconds to go on, or null if the connection was lost. */
  const send = async (o: Outgoing, to: Outlet): Promise<number | null> => {
    const { maxMessage } = to;
    try {
      // The server may have forgotten the key, and would store it twice.
      if (o.kept && env.now() - o.made > KEPT) throw ownError('expired', 'The publication waited for more than 12 hours.');
      // The server ends a connection that says too much, so it is not tried.
      if (encoder.encode(JSON.stringify(o.command)).length + 32 > maxMessage) throw refuse('too_large', `A message has at most ${maxMessage} bytes.`);
      const backlog = to.backlog();
      if (backlog > FULL && backlog < Infinity) return LATER;
      const r = await to.request(o.command);
      if (settle(o, null)) o.resolve({ offset: numberOf(r.offset), position: textOf(r.position), duplicate: r.duplicate === true, key: o.command.key });
    } catch (e) {
      const { name, retry } = e as StarlingError;
      if (name === 'lost') return null;
      if (retry) return delay(++o.failures, env.random);
      fail(o, e);
    }
    return 0;
  };

  const self: Publisher = {
    keeper: null,
    async publish(command, signal) {
      const { channel, data } = command;
      signal?.throwIfAborted();
      if (waiting.size >= most) {
        dropped({ kind: 'publication', channel, data, reason: 'full' });
        throw ownError('overflow', `${most} publications wait already.`);
      }
      let off = (): void => {};
      try {
        return await new Promise<Published>((resolve, reject) => {
          const o: Outgoing = { command, made: env.now(), failures: 0, kept: false, resolve, reject };
          waiting.add(o);
          // Also behind others that are kept, so that they go out in their order another time.
          if (!outlet) keep(o);
          off = whenAborted(signal, (reason) => fail(o, reason));
          void flush(channel);
        });
      } finally {
        off();
      }
    },
    restore(kept) {
      const known = ({ command }: Outgoing): boolean => [...waiting].some((o) => o.command.channel === command.channel && o.command.key === command.key);
      waiting = new Set([...kept.filter((o) => !known(o)), ...waiting]);
    },
    use(next) {
      outlet = next;
      for (const o of waiting) {
        if (next) void flush(o.command.channel);
        else keep(o);
      }
    },
    abandon(e) {
      for (const o of waiting) fail(o, e);
    },
  };
  return self;
}

/** @internal A key that nobody else makes. */
export function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(3)).join('-');
}
