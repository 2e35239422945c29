import type { Environment } from './wire.js';

/** @internal What a page goes through, as far as a connection is concerned. */
export interface Life {
  /** The page is looked at again, or the network is back. `anew`: what is open is not worth a look. */
  wake(anew: boolean): void;
  offline(): void;
  /** The page is put away or frozen; one that keeps a connection would be thrown away. */
  suspend(): void;
  resume(): void;
}

/** How often the time of the day is looked at, and from what jump on the machine has slept, in milliseconds. */
const TICK = 1_000;
const JUMP = 3_000;

/** @internal Listens to the page, if there is one, and to the time of the day. Returns what stops it. */
export function listen(life: Life, env: Environment): () => void {
  const cut = new AbortController();
  const { signal } = cut;
  const page = env.page ?? (typeof window === 'undefined' || typeof document === 'undefined' ? null : { window, document });
  let last = env.now();
  let timer: unknown;
  const tick = (): void => {
    const now = env.now();
    const slept = now - last > TICK + JUMP;
    last = now;
    timer = env.setTimeout(tick, TICK);
    // The timers of a hidden page are held back up to a minute without any sleep.
    if (slept) life.wake(page?.document.visibilityState !== 'hidden');
  };
  timer = env.setTimeout(tick, TICK);
  signal.addEventListener('abort', () => env.clearTimeout(timer));
  if (page) {
    const on = (target: EventTarget, name: string, f: () => void): void => target.addEventListener(name, f, { signal });
    on(page.document, 'visibilitychange', () => {
      if (page.document.visibilityState !== 'visible') return;
      life.resume();
      life.wake(false);
    });
    on(page.document, 'freeze', () => life.suspend());
    on(page.document, 'resume', () => life.resume());
    on(page.window, 'online', () => life.wake(true));
    on(page.window, 'offline', () => life.offline());
    on(page.window, 'pagehide', () => life.suspend());
    on(page.window, 'pageshow', () => life.resume());
  }
  return () => cut.abort();
}
