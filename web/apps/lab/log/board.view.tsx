import { type FormEvent, type ReactElement, useId, useState } from 'react';
import { Badge, Button, IconButton } from '../../ui/index.js';
import { type Board, type BoardEvent, type ColumnName, columns } from './board.js';

const beside = (column: ColumnName, way: 1 | -1): ColumnName | undefined => columns[columns.indexOf(column) + way];

/** The board. In the past it cannot be changed: what is done is appended at the end. */
export function BoardView({ board, past, append }: { readonly board: Board; readonly past: boolean; append(event: BoardEvent): void }): ReactElement {
  const [title, setTitle] = useState('');
  const id = useId();
  const add = (e: FormEvent): void => {
    e.preventDefault();
    if (!title.trim()) return;
    append({ type: 'add', card: `v${Date.now().toString(36)}`, title: title.trim().slice(0, 80), column: 'todo' });
    setTitle('');
  };
  return (
    <div className="stack">
      <form className="row" onSubmit={add}>
        <label className="unseen" htmlFor={id}>A new card</label>
        <input id={id} className="input grow" placeholder="A new card" maxLength={80} value={title} onChange={(e) => setTitle(e.target.value)} />
        <Button type="submit" icon="plus" disabled={!title.trim()}>Add</Button>
      </form>
      <p className="small muted" role="status">{past ? 'This is the past. What you do is appended at the end.' : 'This is now.'}</p>
      <div className="board" data-cards={board.cards.length}>
        {columns.map((column) => (
          <section key={column} className="board-column" aria-label={column} data-column={column}>
            <h3>{column}</h3>
            <ul>
              {board.cards.filter((c) => c.column === column).map((c) => {
                const [left, right] = [beside(column, -1), beside(column, 1)];
                return (
                  <li key={c.id} className="board-card" data-card={c.title}>
                    <span className="wrap">{c.title}</span>
                    <div className="row">
                      <Badge tone="plain">{c.by}</Badge>
                      <span className="grow" />
                      {left && <IconButton size="small" className="lab-back" icon="arrow" label={`Move “${c.title}” to ${left}`} onClick={() => append({ type: 'move', card: c.id, column: left })} />}
                      {right && <IconButton size="small" icon="arrow" label={`Move “${c.title}” to ${right}`} onClick={() => append({ type: 'move', card: c.id, column: right })} />}
                      <IconButton size="small" icon="trash" label={`Remove “${c.title}”`} onClick={() => append({ type: 'remove', card: c.id })} />
                    </div>
                  </li>
                );
              })}
            </ul>
          </section>
        ))}
      </div>
    </div>
  );
}
