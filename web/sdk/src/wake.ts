/** @internal What a page goes through, as far as a connection is concerned. */
export interface Life {
  /** The page is looked at again, or the network is back. */
  wake(): void;
  offline(): void;
  /** The page is put away; one that keeps a connection would be thrown away. */
  suspend(): void;
  resume(): void;
}

/** @internal Listens to the page, if there is one. Returns what stops it. */
export function listen(life: Life): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => {};
  const cut = new AbortController();
  const { signal } = cut;
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && life.wake(), { signal });
  window.addEventListener('online', () => life.wake(), { signal });
  window.addEventListener('offline', () => life.offline(), { signal });
  window.addEventListener('pagehide', () => life.suspend(), { signal });
  window.addEventListener('pageshow', () => life.resume(), { signal });
  return () => cut.abort();
}
