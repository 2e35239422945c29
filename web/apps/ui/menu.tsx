import { type KeyboardEvent, type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { Button, type ButtonLink, IconButton } from './button.js';
import { classes } from './classes.js';
import { Icon, type IconName } from './icon.js';
import { usePlace } from './layer.js';

/** What a menu offers; `null` in a list of them is a rule between two groups. */
export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  /** What stands at its end, such as a key. */
  readonly end?: ReactNode;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  readonly onChoose: () => void;
}

type Look = Parameters<typeof ButtonLink>[0]['look'];

/** Opens and closes a layer with the browser's own means, so that Escape and a press beside it close it. */
function useLayer(): { open: boolean; layer: React.RefObject<HTMLDivElement | null>; anchor: React.RefObject<HTMLSpanElement | null>; set: (open: boolean) => void } {
  const [open, setOpen] = useState(false);
  const layer = useRef<HTMLDivElement>(null);
  const anchor = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const el = layer.current;
    const toggled = (e: Event): void => setOpen((e as ToggleEvent).newState === 'open');
    el?.addEventListener('toggle', toggled);
    return () => el?.removeEventListener('toggle', toggled);
  }, []);
  const set = (want: boolean): void => {
    if (layer.current) layer.current.togglePopover(want);
    setOpen(want);
  };
  return { open, layer, anchor, set };
}

/** A button with a menu: arrow keys, Home, End and first letters go through it, Escape closes it, and the focus goes back. */
export function Menu({ label, icon, iconOnly = false, look, size, items, align = 'start' }: {
  readonly label: string;
  readonly icon?: IconName;
  readonly iconOnly?: boolean;
  readonly look?: Look;
  readonly size?: 'small' | 'normal';
  readonly items: readonly (MenuItem | null)[];
  readonly align?: 'start' | 'end';
}): ReactElement {
  const { open, layer, anchor, set } = useLayer();
  const id = useId();
  usePlace(open, layer, anchor, align);
  const stops = (): HTMLElement[] => [...(layer.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
  useEffect(() => {
    if (open) layer.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
  }, [open, layer]);
  const close = (): void => {
    set(false);
    anchor.current?.querySelector('button')?.focus();
  };
  const pressed = (e: KeyboardEvent): void => {
    const all = stops();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      all.at(to % all.length)?.focus();
    } else if (e.key === 'Tab') close();
    else if (e.key.length === 1) all.find((el) => el.textContent?.toLowerCase().startsWith(e.key.toLowerCase()))?.focus();
  };
  const common = { 'aria-haspopup': 'menu', 'aria-expanded': open, 'aria-controls': id, onClick: () => set(!open) } as const;
  const more = { ...(look && { look }), ...(size && { size }) };
  return (
    <>
      <span ref={anchor} className="anchor">
        {iconOnly ? <IconButton label={label} icon={icon ?? 'more'} {...more} {...common} /> : <Button {...(icon && { icon })} {...more} {...common}>{label}<Icon name="down" size={14} /></Button>}
      </span>
      <div ref={layer} id={id} className="layer" popover="auto" role="menu" aria-label={label} tabIndex={-1} onKeyDown={pressed}>
        {items.map((item, i) => item === null
          // biome-ignore lint/suspicious/noArrayIndexKey: rules are told apart by nothing else
          ? <div key={`rule-${i}`} className="menu-rule" role="presentation" />
          : (
            <button
              key={item.label} className={classes('menu-item', item.danger && 'danger')} type="button" role="menuitem" tabIndex={-1} aria-disabled={item.disabled || undefined}
              onClick={() => {
                if (item.disabled) return;
                close();
                item.onChoose();
              }}
            >
              {item.icon && <Icon name={item.icon} />}{item.label}{item.end && <span className="end">{item.end}</span>}
            </button>
          ))}
      </div>
    </>
  );
}

/** A button that shows something beside it, which goes with Escape or a press elsewhere. */
export function Popover({ label, icon, look, size, align = 'start', children }: {
  readonly label: string;
  readonly icon?: IconName;
  readonly look?: Look;
  readonly size?: 'small' | 'normal';
  readonly align?: 'start' | 'end';
  readonly children: ReactNode;
}): ReactElement {
  const { open, layer, anchor, set } = useLayer();
  const id = useId();
  usePlace(open, layer, anchor, align);
  return (
    <>
      <span ref={anchor} className="anchor">
        <Button {...(icon && { icon })} {...(look && { look })} {...(size && { size })} aria-haspopup="dialog" aria-expanded={open} aria-controls={id} onClick={() => set(!open)}>{label}<Icon name="down" size={14} /></Button>
      </span>
      <div ref={layer} id={id} className="layer roomy" popover="auto" role="dialog" aria-label={label}>{children}</div>
    </>
  );
}
