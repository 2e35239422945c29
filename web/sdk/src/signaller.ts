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
export interface Signaller {
  signal(command: Command & { readonly channel: string }, conflate: string | undefined): void;
  /** There is a session, or there is none any more. */
  use(outlet: SignalOutlet | null): void;
  /** There may be room again. */
  flush(): void;
  /** Gives up what waits. */
  abandon(): void;
}

/** @internal */
export function signaller(env: Environment, dropped: (drop: Dropped) => void): Signaller {
  const waiting = new Map<string, Command & { readonly channel: string }>();
  let outlet: SignalOutlet | null = null;
  let timer: unknown = null;
  let last = 0;
  let n = 0;
  /** How many of those that wait have no key. */
  let passing = 0;

  const drop = ({ channel, data }: Command & { readonly channel: string }, reason: Dropped['reason']): void => dropped({ kind: 'signal', channel, data, reason });

  const later = (ms: number): void => {
    if (timer !== null) return;
    timer = env.setTimeout(() => {
      timer = null;
      flush();
    }, ms);
  };

  const flush = (): void => {
    if (!outlet) return;
    for (const [key, command] of waiting) {
      if (outlet.backlog() > ROOM) {
        later(LATER);
        return;
      }
      waiting.delete(key);
      if (key.startsWith('\n')) passing--;
      last = env.now();
      outlet.say(command);
    }
  };

  /** What has no key is for who is there now. */
  const dropPassing = (): void => {
    for (const [key, command] of waiting) {
      if (!key.startsWith('\n')) continue;
      waiting.delete(key);
      drop(command, 'offline');
    }
    passing = 0;
  };

  return {
    flush,
    signal(command, conflate) {
      const key = conflate ? `${command.channel}\n${conflate}` : `\n${++n}`;
      const full = conflate ? !waiting.has(key) && waiting.size - passing >= MOST_KEYS : passing >= MOST;
      if (full || !(conflate || outlet)) {
        drop(command, outlet || conflate ? 'full' : 'offline');
        return;
      }
      if (!conflate) passing++;
      waiting.delete(key);
      waiting.set(key, command);
      const wait = last + PACE - env.now();
      if (wait > 0) later(wait);
      else flush();
    },
    use(next) {
      outlet = next;
      if (!outlet) dropPassing();
      flush();
    },
    abandon() {
      dropPassing();
      waiting.clear();
    },
  };
}
