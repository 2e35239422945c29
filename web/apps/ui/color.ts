/** What a token stands for at this moment, as a colour that a canvas takes: `colorOf(element, '--accent')`. */
export function colorOf(near: Element, token: `--${string}`): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  probe.style.display = 'none';
  near.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Calls back when the colours of the page change, by the system or by the visitor. Returns what ends that. */
export function onColors(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const watch = new MutationObserver(changed);
  watch.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  system.addEventListener('change', changed);
  return () => {
    watch.disconnect();
    system.removeEventListener('change', changed);
  };
}

/** One of the six hues for a name, always the same: `var(--hue-N)`. */
export function hueOf(name: string): `var(--hue-${number})` {
  let h = 0;
  for (const c of name) h = (h * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return `var(--hue-${h % 6})`;
}
