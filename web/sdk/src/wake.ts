import type { Happening } from './machine.js';
import type { Environment } from './wire.js';

/** How often the time of the day is looked at, and from what jump on the machine has slept, in milliseconds. */
const TICK = 1_000;
const JUMP = 3_000;

/** @internal Listens to the page, if there is one, and to the time of the day. Returns what stops it. */
export function listen(happen: (event: Happening) => void, env: Environment): () => void {
  const cut = new AbortController();
  const { signal } = cut;
  const page = env.page ?? (globalThis.document ? globalThis : null);
  const isVisible = (): boolean => page?.document.visibilityState !== 'hidden';
  let last = env.now();
  let timer: unknown;
  const tick = (): void => {
    const now = env.now();
    const slept = now - last > TICK + JUMP;
    last = now;
    timer = env.setTimeout(tick, TICK);
    // The timers of a hidden page are held back up to a minute without any sleep.
    if (slept) happen({ type: 'wake', anew: isVisible() });
  };
  timer = env.setTimeout(tick, TICK);
  if (page) {
    const on = (target: EventTarget, name: string, event: Happening): void => target.addEventListener(name, () => happen(event), { signal });
    page.document.addEventListener('visibilitychange', () => {
      if (!isVisible()) return;
      happen({ type: 'resume' });
      happen({ type: 'wake', anew: false });
    }, { signal });
    // A page that keeps a connection while it is put away or frozen would be thrown away.
    on(page.document, 'freeze', { type: 'suspend' });
    on(page.document, 'resume', { type: 'resume' });
    on(page.window, 'online', { type: 'wake', anew: true });
    on(page.window, 'offline', { type: 'offline' });
    on(page.window, 'pagehide', { type: 'suspend' });
    on(page.window, 'pageshow', { type: 'resume' });
  }
  return () => {
    cut.abort();
    env.clearTimeout(timer);
  };
}
