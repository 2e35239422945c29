/** What colours a visitor has chosen. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'starling.theme';
const ORDER: readonly Theme[] = ['system', 'light', 'dark'];

/** What has been chosen in this browser. */
export function readTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return ORDER.find((t) => t === kept) ?? 'system';
  } catch {
    return 'system'; // some browsers throw at the mention of it
  }
}

/** Keeps the choice for the next page. */
export function saveTheme(theme: Theme): void {
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // It holds for this page then.
  }
}

/** The choice that follows when somebody presses the button. */
export function nextTheme(theme: Theme): Theme {
  return ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'system';
}

/** Shows the page in the chosen colours. */
export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
  // The browser's own bar goes with it: the one of the other colours is not used while one is chosen.
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
    meta.dataset.media ??= meta.media;
    const own = meta.dataset.media.includes('dark') ? 'dark' : 'light';
    meta.media = theme === 'system' ? meta.dataset.media : own === theme ? 'all' : 'not all';
  }
}
