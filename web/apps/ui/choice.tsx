import { type KeyboardEvent, type ReactElement, type ReactNode, useId, useRef } from 'react';
import { classes } from './classes.js';

/** Something that is on or off, at once. */
export function Switch({ label, checked, onChange, disabled }: { readonly label: ReactNode; readonly checked: boolean; readonly onChange: (checked: boolean) => void; readonly disabled?: boolean }): ReactElement {
  return (
    <label className="toggle">
      <input type="checkbox" role="switch" checked={checked} disabled={disabled} onChange={(e) => onChange(e.target.checked)} />
      <span>{label}</span>
    </label>
  );
}

/** A number from a range. What it says beside is what `format` makes of it. */
export function Slider({ label, value, min = 0, max = 100, step = 1, onChange, format = String, disabled }: {
  readonly label: string;
  readonly value: number;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly onChange: (value: number) => void;
  readonly format?: (value: number) => string;
  readonly disabled?: boolean;
}): ReactElement {
  const id = useId();
  const part = `${max > min ? ((value - min) / (max - min)) * 100 : 0}%`;
  return (
    <div className="slider">
      <label className="label" htmlFor={id}>{label}</label>
      <output htmlFor={id}>{format(value)}</output>
      <input id={id} type="range" min={min} max={max} step={step} value={value} disabled={disabled} aria-valuetext={format(value)} style={{ '--part': part } as React.CSSProperties} onChange={(e) => onChange(e.target.valueAsNumber)} />
    </div>
  );
}

/** One of a few that stand side by side. The arrow keys go from one to the next, as with all radio buttons. */
export function Segmented<T extends string>({ label, hideLabel = false, options, value, onChange }: {
  readonly label: string;
  readonly hideLabel?: boolean;
  readonly options: readonly { readonly value: T; readonly label: ReactNode; readonly disabled?: boolean }[];
  readonly value: T;
  readonly onChange: (value: T) => void;
}): ReactElement {
  const name = useId();
  return (
    <fieldset className="field">
      <legend className={hideLabel ? 'unseen' : 'label'}>{label}</legend>
      <div className="segmented">
        {options.map((o) => (
          <label key={o.value}>
            <input type="radio" name={name} value={o.value} checked={o.value === value} disabled={o.disabled} onChange={() => onChange(o.value)} />
            <span>{o.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Panels of which one is seen. The tabs are one stop of the Tab key; the arrow keys go from one to the next. */
export function Tabs<T extends string>({ label, tabs, value, onChange, className }: {
  readonly label: string;
  readonly tabs: readonly { readonly value: T; readonly label: ReactNode; readonly panel: ReactNode }[];
  readonly value: T;
  readonly onChange: (value: T) => void;
  readonly className?: string;
}): ReactElement {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = Math.max(0, tabs.findIndex((t) => t.value === value));
  const go = (to: number): void => {
    const tab = tabs[(to + tabs.length) % tabs.length];
    if (!tab) return;
    onChange(tab.value);
    list.current?.querySelector<HTMLElement>(`[data-value="${CSS.escape(tab.value)}"]`)?.focus();
  };
  const pressed = (e: KeyboardEvent): void => {
    const back = getComputedStyle(e.currentTarget).direction === 'rtl' ? 'ArrowRight' : 'ArrowLeft';
    const to = { ArrowLeft: 0, ArrowRight: 0, Home: 0, End: tabs.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    go(e.key === 'Home' || e.key === 'End' ? to : at + (e.key === back ? -1 : 1));
  };
  return (
    <div className={className}>
      <div ref={list} className="tabs-list" role="tablist" aria-label={label} onKeyDown={pressed}>
        {tabs.map((t, i) => (
          <button key={t.value} id={`${id}-${t.value}`} data-value={t.value} className="tab" type="button" role="tab" aria-selected={i === at} aria-controls={`${id}-panel`} tabIndex={i === at ? 0 : -1} onClick={() => onChange(t.value)}>{t.label}</button>
        ))}
      </div>
      <div id={`${id}-panel`} className="tab-panel" role="tabpanel" aria-labelledby={`${id}-${tabs[at]?.value}`} tabIndex={0}>{tabs[at]?.panel}</div>
    </div>
  );
}

/** A box to check. */
export function Checkbox({ label, checked, onChange, disabled, className }: { readonly label: ReactNode; readonly checked: boolean; readonly onChange: (checked: boolean) => void; readonly disabled?: boolean; readonly className?: string }): ReactElement {
  return (
    <label className={classes('check', className)}>
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(e) => onChange(e.target.checked)} />
      <span>{label}</span>
    </label>
  );
}
