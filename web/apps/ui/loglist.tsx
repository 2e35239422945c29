import { type ReactElement, type ReactNode, useLayoutEffect, useRef, useState } from 'react';
import { Button } from './button.js';
import { classes } from './classes.js';

const NEAR = 48; // px from the end that count as its end

/** What a reader who is not at the end had in view, and where. */
interface Anchor {
  readonly key: string;
  readonly top: number;
}

/**
 * A list that grows at its end: messages, events, frames. Who reads the end stays there; who has scrolled back keeps what he
 * reads where it is, also when older items are put before it or taken away, and is told that there is something new.
 *
 * Its height is that of its place: give it a `className` with one, or a parent that is a column of a fixed height.
 */
export function LogList<T>({ label, items, keyOf, render, before, empty, busy = false, className, itemClass }: {
  readonly label: string;
  readonly items: readonly T[];
  /** What tells an item from all others. */
  readonly keyOf: (item: T) => string | number;
  readonly render: (item: T) => ReactNode;
  /** What stands before the first, such as a button for older ones. */
  readonly before?: ReactNode;
  readonly empty?: ReactNode;
  readonly busy?: boolean;
  readonly className?: string;
  readonly itemClass?: (item: T) => string;
}): ReactElement {
  const scroll = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const pinned = useRef(true);
  const anchor = useRef<Anchor | null>(null);
  const last = useRef<string | undefined>(undefined);
  const [news, setNews] = useState(false);

  const atEnd = (el: HTMLElement): boolean => el.scrollHeight - el.scrollTop - el.clientHeight < NEAR;
  const toEnd = (): void => {
    if (scroll.current) scroll.current.scrollTop = scroll.current.scrollHeight;
    setNews(false);
  };
  const note = (): void => {
    const el = scroll.current;
    if (!el) return;
    pinned.current = atEnd(el);
    if (pinned.current) setNews(false);
    const edge = el.getBoundingClientRect().top;
    const seen = pinned.current ? undefined : [...(list.current?.children ?? [])].find((row) => row.getBoundingClientRect().bottom > edge) as HTMLElement | undefined;
    anchor.current = seen ? { key: seen.dataset.key ?? '', top: seen.getBoundingClientRect().top } : null;
  };

  const newest = items.at(-1);
  const lastKey = newest === undefined ? undefined : String(keyOf(newest));
  // biome-ignore lint/correctness/useExhaustiveDependencies: it looks at what the items have become on the page
  useLayoutEffect(() => {
    const el = scroll.current;
    if (!el) return;
    if (pinned.current) el.scrollTop = el.scrollHeight;
    else {
      const held = anchor.current;
      const row = held && [...(list.current?.children ?? [])].find((r) => (r as HTMLElement).dataset.key === held.key);
      if (held && row) el.scrollTop += row.getBoundingClientRect().top - held.top;
      if (last.current !== undefined && lastKey !== last.current) setNews(true);
    }
    last.current = lastKey;
  }, [items, lastKey]);

  // Its place may change its height: the end stays in view if it was.
  useLayoutEffect(() => {
    const el = scroll.current;
    if (!el) return undefined;
    const watch = new ResizeObserver(() => {
      if (pinned.current) el.scrollTop = el.scrollHeight;
    });
    watch.observe(el);
    return () => watch.disconnect();
  }, []);

  return (
    <div className={classes('log', className)}>
      <div ref={scroll} className="log-scroll" role="log" aria-label={label} aria-busy={busy} tabIndex={0} onScroll={note}>
        {before}
        <ol ref={list} className="log-items">
          {items.map((item) => <li key={keyOf(item)} data-key={keyOf(item)} className={classes('log-item', itemClass?.(item))}>{render(item)}</li>)}
        </ol>
        {items.length === 0 && empty}
      </div>
      {news && <Button className="log-more" size="small" icon="down" onClick={toEnd}>New below</Button>}
    </div>
  );
}
