// A board of cards, folded from its log; undo and redo are entries like any other. Values in, values out.

import type { Entry } from './entries.js';

export const columns = ['todo', 'doing', 'done'] as const;
export type ColumnName = (typeof columns)[number];

/** What is appended to the log of a board. */
export type BoardEvent =
  | { readonly type: 'add'; readonly card: string; readonly title: string; readonly column: ColumnName }
  | { readonly type: 'move'; readonly card: string; readonly column: ColumnName }
  | { readonly type: 'rename'; readonly card: string; readonly title: string }
  | { readonly type: 'remove'; readonly card: string }
  | { readonly type: 'undo'; readonly event: string }
  | { readonly type: 'redo'; readonly event: string };

export interface CardState {
  readonly id: string;
  readonly title: string;
  readonly column: ColumnName;
  /** Who touched it last. */
  readonly by: string;
}

/** What has become of an entry: it counts, it was undone, it finds nothing to change, or it is none of a board. */
export type Effect = 'counts' | 'undone' | 'nothing' | 'foreign';

export interface Board {
  readonly cards: readonly CardState[];
  readonly effects: ReadonlyMap<string, Effect>;
}

const text = (v: unknown): v is string => typeof v === 'string' && v !== '' && v.length <= 200;
const isColumn = (v: unknown): v is ColumnName => columns.some((c) => c === v);

/** Reads the data of an entry; null is none of a board. Anybody may publish anything. */
export function boardEvent(data: unknown): BoardEvent | null {
  if (typeof data !== 'object' || data === null) return null;
  const d = data as Readonly<Record<string, unknown>>;
  switch (d.type) {
    case 'add':
      return text(d.card) && text(d.title) && isColumn(d.column) ? { type: 'add', card: d.card, title: d.title, column: d.column } : null;
    case 'move':
      return text(d.card) && isColumn(d.column) ? { type: 'move', card: d.card, column: d.column } : null;
    case 'rename':
      return text(d.card) && text(d.title) ? { type: 'rename', card: d.card, title: d.title } : null;
    case 'remove':
      return text(d.card) ? { type: 'remove', card: d.card } : null;
    case 'undo':
    case 'redo':
      return text(d.event) ? { type: d.type, event: d.event } : null;
    default:
      return null;
  }
}

/** Which changes are undone after these entries. */
function undoneIn(entries: readonly Entry[]): ReadonlySet<string> {
  const changes = new Set<string>();
  const undone = new Set<string>();
  for (const { id, data } of entries) {
    const e = boardEvent(data);
    if (e?.type === 'undo') {
      if (changes.has(e.event)) undone.add(e.event);
    } else if (e?.type === 'redo') undone.delete(e.event);
    else if (e) changes.add(id);
  }
  return undone;
}

/** The board as these entries make it. What was undone is left out as if it had not been, but stays in the log. */
export function foldBoard(entries: readonly Entry[]): Board {
  const undone = undoneIn(entries);
  const cards = new Map<string, CardState>();
  const effects = new Map<string, Effect>();
  for (const entry of entries) {
    const e = boardEvent(entry.data);
    effects.set(entry.id, !e ? 'foreign' : undone.has(entry.id) ? 'undone' : apply(cards, e, entry.user) ? 'counts' : 'nothing');
  }
  return { cards: [...cards.values()], effects };
}

/** Changes the cards, and tells whether there was anything to change. */
function apply(cards: Map<string, CardState>, e: BoardEvent, by: string): boolean {
  if (e.type === 'undo' || e.type === 'redo') return true;
  const card = cards.get(e.card);
  if (e.type === 'add') {
    if (card) return false;
    cards.set(e.card, { id: e.card, title: e.title, column: e.column, by });
    return true;
  }
  if (!card) return false;
  if (e.type === 'remove') cards.delete(e.card);
  else cards.set(e.card, { ...card, by, ...(e.type === 'move' ? { column: e.column } : { title: e.title }) });
  return true;
}

/** What somebody can undo and redo: their own last change that counts, and what they undid since their last change. */
export function stepsOf(entries: readonly Entry[], user: string): { readonly undo: string | null; readonly redo: string | null } {
  let done: string[] = [];
  let back: string[] = [];
  for (const entry of entries) {
    const e = boardEvent(entry.data);
    if (!e) continue;
    if (e.type === 'undo') {
      if (done.includes(e.event)) back.push(e.event);
      done = done.filter((id) => id !== e.event);
    } else if (e.type === 'redo') {
      if (back.includes(e.event)) done.push(e.event);
      back = back.filter((id) => id !== e.event);
    } else if (entry.user === user) {
      done.push(entry.id);
      back = [];
    }
  }
  return { undo: done.at(-1) ?? null, redo: back.at(-1) ?? null };
}

/** An entry in words. `titles` are those of cards, by their id, as far as they are known. */
export function inWords(data: unknown, titles: ReadonlyMap<string, string>, wordsOfEvent: (id: string) => string): string {
  const e = boardEvent(data);
  const title = (card: string): string => `“${titles.get(card) ?? card}”`;
  if (!e) return JSON.stringify(data);
  switch (e.type) {
    case 'add':
      return `added “${e.title}” to ${e.column}`;
    case 'move':
      return `moved ${title(e.card)} to ${e.column}`;
    case 'rename':
      return `renamed a card to “${e.title}”`;
    case 'remove':
      return `removed ${title(e.card)}`;
    case 'undo':
      return `undid: ${wordsOfEvent(e.event)}`;
    case 'redo':
      return `redid: ${wordsOfEvent(e.event)}`;
  }
}
