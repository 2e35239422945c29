import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import { Segmented, ToastProvider } from '../ui/index.js';
import { Controls } from './controls.js';
import { Layers } from './layers.js';
import { Shown } from './shown.js';
import { Tokens } from './tokens.js';

/** A part of the gallery with its anchor. */
export function Part({ id, title, says, children }: { readonly id: string; readonly title: string; readonly says: string; readonly children: ReactNode }): ReactElement {
  return (
    <section id={id} className="part" aria-labelledby={`${id}-title`}>
      <div className="part-head">
        <h2 id={`${id}-title`}>{title}</h2>
        <p className="muted">{says}</p>
      </div>
      <div className="stack loose">{children}</div>
    </section>
  );
}

/** A component in one or all of its states, with the name under which it is imported. */
export function Specimen({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactElement {
  return (
    <figure className="specimen">
      <figcaption className="eyebrow">{name}</figcaption>
      {children}
    </figure>
  );
}

type Direction = 'ltr' | 'rtl';

/** The gallery: every token and every component of the design system, in all states. */
export default function Gallery(): ReactElement {
  const [direction, setDirection] = useState<Direction>('ltr');
  useEffect(() => {
    if (document.documentElement.dir === 'rtl') setDirection('rtl'); // by ?dir=rtl, see chrome.ts
  }, []);
  const turn = (to: Direction): void => {
    document.documentElement.dir = to;
    setDirection(to);
  };
  return (
    <ToastProvider>
      <div className="page">
        <header className="head row apart gallery-head">
          <div className="stack tight">
            <h1>Design system</h1>
            <p className="lead">What these pages are made of. The sheet is <code>ui.css</code>, the components are React, and both know light and dark, less motion, forced colours, and either direction.</p>
          </div>
          <Segmented<Direction> label="Direction" value={direction} onChange={turn} options={[{ value: 'ltr', label: 'Left to right' }, { value: 'rtl', label: 'Right to left' }]} />
        </header>
        <Tokens />
        <Controls />
        <Layers />
        <Shown />
      </div>
    </ToastProvider>
  );
}
