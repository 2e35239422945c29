import type { ReactElement, ReactNode } from 'react';
import { classes, type Tone } from './classes.js';
import { Icon, type IconName } from './icon.js';

/** A word or a number about what it stands beside. */
export function Badge({ tone, children }: { readonly tone?: Tone; readonly children: ReactNode }): ReactElement {
  return <span className={classes('badge', tone)}>{children}</span>;
}

/** A lamp with its word. The shape of the lamp differs with the tone, not only its colour. */
export function Status({ tone, busy = false, children }: { readonly tone: Tone; readonly busy?: boolean; readonly children: ReactNode }): ReactElement {
  return <span className={classes('status', tone, busy && 'busy')}><i className="status-dot" aria-hidden="true" />{children}</span>;
}

/** A sheet on the page, with a title, what can be done with it, and a foot, as far as they are given. */
export function Card({ title, level = 3, actions, foot, className, flush = false, children }: {
  readonly title?: ReactNode;
  readonly level?: 2 | 3;
  readonly actions?: ReactNode;
  readonly foot?: ReactNode;
  readonly className?: string;
  /** What is in it goes to its edges. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}): ReactElement {
  const Title = level === 2 ? 'h2' : 'h3';
  return (
    <section className={classes('card', className)}>
      {(title || actions) && <div className="card-head">{title && <Title>{title}</Title>}{actions}</div>}
      {flush ? children : <div className="card-body">{children}</div>}
      {foot && <div className="card-foot">{foot}</div>}
    </section>
  );
}

/** A card that is a link as a whole. */
export function LinkCard({ href, title, children }: { readonly href: string; readonly title: string; readonly children: ReactNode }): ReactElement {
  return (
    <article className="card link">
      <div className="card-body stack tight">
        <h3><a href={href}>{title}</a></h3>
        {children}
      </div>
    </article>
  );
}

/** A number with its name. `children` stand below, such as a {@link Sparkline}. While there is no value, its place is kept. */
export function Stat({ label, value, unit, hint, children }: { readonly label: string; readonly value: ReactNode; readonly unit?: string; readonly hint?: ReactNode; readonly children?: ReactNode }): ReactElement {
  return (
    <div className="stat">
      <span className="stat-label">{label}</span>
      <span className="stat-value">{value ?? '–'}{unit && value !== null && value !== undefined && <small>{unit}</small>}</span>
      {hint && <span className="stat-hint">{hint}</span>}
      {children}
    </div>
  );
}

/** A column of a {@link Table}. */
export interface Column<R> {
  readonly key: string;
  readonly title: string;
  readonly number?: boolean;
  readonly cell: (row: R) => ReactNode;
}

/** Rows of the same kind. The first column names them. It scrolls sideways within itself where there is no room. */
export function Table<R>({ caption, hideCaption = false, columns, rows, keyOf, empty }: {
  readonly caption: string;
  readonly hideCaption?: boolean;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly keyOf: (row: R) => string | number;
  readonly empty?: ReactNode;
}): ReactElement {
  return (
    // What scrolls has to be reached with the keyboard.
    <div className="table-wrap" tabIndex={0} role="group" aria-label={caption}>
      <table className="table">
        <caption className={hideCaption ? 'unseen' : undefined}>{caption}</caption>
        <thead><tr>{columns.map((c) => <th key={c.key} scope="col" className={c.number ? 'number' : undefined}>{c.title}</th>)}</tr></thead>
        <tbody>
          {rows.map((r) => (
            <tr key={keyOf(r)}>
              {columns.map((c, i) => i === 0
                ? <th key={c.key} scope="row" className={c.number ? 'number' : undefined}>{c.cell(r)}</th>
                : <td key={c.key} className={c.number ? 'number' : undefined}>{c.cell(r)}</td>)}
            </tr>
          ))}
          {rows.length === 0 && empty && <tr><td colSpan={columns.length}>{empty}</td></tr>}
        </tbody>
      </table>
    </div>
  );
}

/** What stands where there is nothing yet: what would be here, and how it comes. */
export function EmptyState({ title, flock = false, children }: { readonly title: string; readonly flock?: boolean; readonly children?: ReactNode }): ReactElement {
  return (
    <div className="empty">
      {flock && <div className="flock" aria-hidden="true" />}
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** A place that is kept for what is being loaded, of the size that it will have. */
export function Skeleton({ width = '100%', height = '1em' }: { readonly width?: string; readonly height?: string }): ReactElement {
  return <span className="skeleton" aria-hidden="true" style={{ inlineSize: width, blockSize: height }} />;
}

const ICONS: Readonly<Record<Tone, IconName>> = { plain: 'info', note: 'info', good: 'check', warn: 'warn', bad: 'warn' };

/** A remark in the page. */
export function Notice({ tone = 'note', children }: { readonly tone?: Tone; readonly children: ReactNode }): ReactElement {
  return <div className={classes('notice', tone)}><Icon name={ICONS[tone]} /><div>{children}</div></div>;
}
