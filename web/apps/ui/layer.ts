import { type RefObject, useEffect } from 'react';

const GAP = 6;
const EDGE = 8;

/**
 * Puts what lies above the page beside what it belongs to: below it if there is room, else above, and never beyond the window.
 *
 * @param align with which of its edges it stands below the anchor's
 */
export function place(layer: HTMLElement, anchor: HTMLElement, align: 'start' | 'end' | 'center'): void {
  const a = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = layer;
  const { clientWidth, clientHeight } = document.documentElement;
  const rtl = getComputedStyle(anchor).direction === 'rtl';
  const left = align === 'center' ? a.left + (a.width - width) / 2 : (align === 'start') !== rtl ? a.left : a.right - width;
  const below = a.bottom + GAP;
  const top = below + height > clientHeight - EDGE && a.top - GAP - height > EDGE ? a.top - GAP - height : below;
  layer.style.left = `${Math.max(EDGE, Math.min(left, clientWidth - width - EDGE))}px`;
  layer.style.top = `${top}px`;
}

/** Keeps an open layer in its place while the page moves under it. */
export function usePlace(open: boolean, layer: RefObject<HTMLElement | null>, anchor: RefObject<HTMLElement | null>, align: 'start' | 'end' | 'center'): void {
  useEffect(() => {
    if (!open) return undefined;
    const again = (): void => {
      if (layer.current && anchor.current) place(layer.current, anchor.current, align);
    };
    again();
    window.addEventListener('scroll', again, { capture: true, passive: true });
    window.addEventListener('resize', again);
    return () => {
      window.removeEventListener('scroll', again, { capture: true });
      window.removeEventListener('resize', again);
    };
  }, [open, layer, anchor, align]);
}
