import { createContext, type ReactElement, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { Button, IconButton } from './button.js';
import { classes, type Tone } from './classes.js';
import { Icon } from './icon.js';

/** What a toast says. */
export interface ToastText {
  readonly text: string;
  readonly tone?: Tone;
  /** What one may do about it, such as to undo it. */
  readonly action?: { readonly label: string; readonly onChoose: () => void };
  /** How long it stays, in milliseconds; 6,000 unless told, and 0 until it is closed. It stays while it is pointed at. */
  readonly stays?: number;
}

interface Shown extends ToastText {
  readonly id: number;
}

const Show = createContext<((toast: ToastText | string) => void) | null>(null);
const MOST = 4;

/** Gives {@link useToast} to what is in it. */
export function ToastProvider({ children }: { readonly children: ReactNode }): ReactElement {
  const [toasts, setToasts] = useState<readonly Shown[]>([]);
  const [said, setSaid] = useState('');
  const [held, setHeld] = useState(false);
  const last = useRef(0);
  const layer = useRef<HTMLDivElement>(null);

  const show = useCallback((toast: ToastText | string) => {
    const t: Shown = { ...(typeof toast === 'string' ? { text: toast } : toast), id: ++last.current };
    setToasts((all) => [...all, t].slice(-MOST));
    // Said once, by one region that is always there: regions that come and go are not heard, or twice. A space makes the
    // same text new.
    setSaid((before) => (before === t.text ? `${t.text} ` : t.text));
  }, []);
  const close = useCallback((id: number) => setToasts((all) => all.filter((t) => t.id !== id)), []);

  const first = toasts.find((t) => t.stays !== 0);
  useEffect(() => {
    if (!first || held) return undefined;
    const timer = setTimeout(() => close(first.id), first.stays ?? 6_000);
    return () => clearTimeout(timer);
  }, [first, held, close]);

  const any = toasts.length > 0;
  useEffect(() => {
    // In the top layer, above dialogs that are open.
    layer.current?.togglePopover(any);
  }, [any]);

  const region = useMemo(() => (
    <div ref={layer} className="toasts" popover="manual" role="group" aria-label="Notices">
      {toasts.map((t) => (
        <div key={t.id} className={classes('toast', t.tone)}>
          <Icon name={t.tone === 'good' ? 'check' : t.tone === 'warn' || t.tone === 'bad' ? 'warn' : 'info'} />
          <p>{t.text}</p>
          {t.action && <Button size="small" look="quiet" onClick={() => { close(t.id); t.action?.onChoose(); }}>{t.action.label}</Button>}
          <IconButton label="Dismiss" icon="close" size="small" onClick={() => close(t.id)} />
        </div>
      ))}
    </div>
  ), [toasts, close]);

  return (
    <Show value={show}>
      {children}
      <p className="unseen" role="status">{said}</p>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: it only holds the clock */}
      <div onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)} onFocus={() => setHeld(true)} onBlur={() => setHeld(false)}>{region}</div>
    </Show>
  );
}

/** Shows a toast: a short word about something that has happened, which goes by itself and is read out once. */
export function useToast(): (toast: ToastText | string) => void {
  const show = useContext(Show);
  if (!show) throw new Error('There is no <ToastProvider> around this component.');
  return show;
}
