import { type ReactElement, useMemo } from 'react';
import { Button, classes, EmptyState, LogList } from '../../ui/index.js';
import { boardEvent, type BoardEvent, type Effect, inWords } from './board.js';
import type { Entry } from './entries.js';

const clock = (time: number): string => new Date(time).toLocaleTimeString('en-GB');

/** Every entry with who and when, what has become of it, and the way back to it. */
export function LogView({ entries, at, effects, board, go, append }: {
  readonly entries: readonly Entry[];
  readonly at: number;
  readonly effects: ReadonlyMap<string, Effect>;
  readonly board: boolean;
  go(place: number): void;
  append(event: BoardEvent): void;
}): ReactElement {
  const words = useMemo(() => {
    const titles = new Map<string, string>();
    const byId = new Map(entries.map((e) => [e.id, e]));
    const all = new Map<string, string>();
    const say = (e: Entry): string => inWords(e.data, titles, (id) => {
      const about = byId.get(id);
      return about ? (all.get(id) ?? id) : 'an entry that is not kept any more';
    });
    for (const e of entries) {
      const event = boardEvent(e.data);
      all.set(e.id, say(e));
      if (event?.type === 'add' || event?.type === 'rename') titles.set(event.card, event.title);
    }
    return all;
  }, [entries]);
  const numbers = useMemo(() => new Map(entries.map((e, i) => [e.id, i + 1])), [entries]);
  const classOf = (e: Entry): string => {
    const n = numbers.get(e.id) ?? 0;
    return classes(n > at && 'later', n === at && at < entries.length && 'here', board && effects.get(e.id) === 'undone' && 'undone');
  };
  return (
    <LogList label="Trail" className="trail" items={entries} keyOf={(e) => e.id} itemClass={classOf} empty={<EmptyState title="Nothing was published here yet" flock />} render={(e) => {
      const n = numbers.get(e.id) ?? 0;
      const effect = board ? effects.get(e.id) : undefined;
      const isChange = board && !['undo', 'redo'].includes(boardEvent(e.data)?.type ?? 'undo');
      return (
        <>
          <span><b>{e.user || 'nobody'}</b> <span className="what">{board ? words.get(e.id) : JSON.stringify(e.data)}</span>{effect === 'nothing' && <span className="muted"> (finds nothing to change)</span>}<br />
            <time dateTime={new Date(e.time).toISOString()}>{clock(e.time)}</time> <span className="offset">offset {e.offset}</span></span>
          <span className="row tight">
            {isChange && effect !== 'foreign' && <Button size="small" look="quiet" onClick={() => append({ type: effect === 'undone' ? 'redo' : 'undo', event: e.id })} aria-label={`${effect === 'undone' ? 'Redo' : 'Undo'} entry ${n}`}>{effect === 'undone' ? 'Redo' : 'Undo'}</Button>}
            <Button size="small" look="quiet" onClick={() => go(n)} aria-label={`Fold up to entry ${n}`}>{n}</Button>
          </span>
        </>
      );
    }} />
  );
}
