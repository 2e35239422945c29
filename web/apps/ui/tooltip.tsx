import { type ReactElement, useEffect, useId, useRef, useState } from 'react';
import { usePlace } from './layer.js';

/** Says more of what it is around, when that is pointed at or has the focus. It is for what one can do without: touch has no tips. */
export function Tooltip({ text, children }: { readonly text: string; readonly children: ReactElement }): ReactElement {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLSpanElement>(null);
  const tip = useRef<HTMLSpanElement>(null);
  const id = useId();
  useEffect(() => {
    tip.current?.togglePopover(open);
  }, [open]);
  usePlace(open, tip, anchor, 'center');
  useEffect(() => {
    const described = anchor.current?.querySelector('button, a, input, [tabindex]');
    described?.setAttribute('aria-describedby', id);
    if (!open) return undefined;
    const pressed = (e: KeyboardEvent): void => {
      if (e.key === 'Escape') setOpen(false);
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [open, id]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only listens to what is in it
    <span ref={anchor} className="anchor" onPointerEnter={(e) => e.pointerType === 'mouse' && setOpen(true)} onPointerLeave={() => setOpen(false)} onFocus={() => setOpen(true)} onBlur={() => setOpen(false)}>
      {children}
      <span ref={tip} id={id} className="tip" role="tooltip" popover="manual">{text}</span>
    </span>
  );
}
