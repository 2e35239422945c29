import { describe, expect, test } from 'vitest';
import { boardEvent, type BoardEvent, foldBoard, inWords, stepsOf } from '../log/board.js';
import { type Entry, merged, replayWait } from '../log/entries.js';

const entry = (n: number, data: unknown, user = 'You'): Entry => ({ id: `e${n}`, offset: n * 2, time: n * 1000, user, data });
const log = (...events: readonly (BoardEvent | [string, BoardEvent])[]): Entry[] => events.map((e, i) => (Array.isArray(e) ? entry(i, e[1], e[0]) : entry(i, e)));
const add = (card: string): BoardEvent => ({ type: 'add', card, title: `T${card}`, column: 'todo' });
const move = (card: string, column: 'todo' | 'doing' | 'done'): BoardEvent => ({ type: 'move', card, column });
const undo = (n: number): BoardEvent => ({ type: 'undo', event: `e${n}` });
const redo = (n: number): BoardEvent => ({ type: 'redo', event: `e${n}` });
const cards = (entries: readonly Entry[]): string => foldBoard(entries).cards.map((c) => `${c.title}:${c.column}`).join(' ');

describe('the board', () => {
  test('is a fold of its log, at each offset', () => {
    const all = log(add('a'), add('b'), move('a', 'doing'), { type: 'rename', card: 'b', title: 'B' }, { type: 'remove', card: 'a' });
    expect(all.map((_, i) => cards(all.slice(0, i + 1)))).toEqual(['Ta:todo', 'Ta:todo Tb:todo', 'Ta:doing Tb:todo', 'Ta:doing B:todo', 'B:todo']);
  });
  test('an undo takes out one change and leaves what came after it', () => {
    expect(cards(log(add('a'), move('a', 'doing'), add('b'), undo(1)))).toBe('Ta:todo Tb:todo');
  });
  test('a redo takes the undo back', () => {
    expect(cards(log(add('a'), move('a', 'doing'), undo(1), redo(1)))).toBe('Ta:doing');
    expect(cards(log(add('a'), move('a', 'doing'), undo(1), redo(1), undo(1)))).toBe('Ta:todo');
  });
  test('what builds on what was undone finds nothing, and says so', () => {
    const b = foldBoard(log(add('a'), move('a', 'done'), undo(0)));
    expect(b.cards).toEqual([]);
    expect([...b.effects.values()]).toEqual(['undone', 'nothing', 'counts']);
  });
  test('the removal of a card can be undone', () => {
    expect(cards(log(add('a'), move('a', 'done'), { type: 'remove', card: 'a' }, undo(2)))).toBe('Ta:done');
  });
  test('an undo of nothing, or of an undo, changes nothing', () => {
    expect(cards(log(add('a'), undo(7), move('a', 'doing'), undo(2), undo(3)))).toBe('Ta:todo');
  });
  test('what is none of a board is left alone', () => {
    const b = foldBoard([entry(0, { type: 'add', card: '', title: 'x', column: 'todo' }), entry(1, 'text'), entry(2, { type: 'move', card: 'a', column: 'roof' }), entry(3, null)]);
    expect([...b.effects.values()]).toEqual(['foreign', 'foreign', 'foreign', 'foreign']);
    expect(boardEvent({ type: 'undo' })).toBeNull();
  });
  test('two who undo the same undo it once', () => {
    expect(cards(log(add('a'), move('a', 'doing'), ['Ada', undo(1)], ['Ben', undo(1)], redo(1)))).toBe('Ta:doing');
  });
});

describe('undo and redo', () => {
  test('are of one\'s own changes, last first', () => {
    const all = log(add('a'), ['Ada', add('b')], move('a', 'doing'));
    expect(stepsOf(all, 'You')).toEqual({ undo: 'e2', redo: null });
    expect(stepsOf(all, 'Ada')).toEqual({ undo: 'e1', redo: null });
    expect(stepsOf(all, 'Ben')).toEqual({ undo: null, redo: null });
  });
  test('go back and forth', () => {
    const all = log(add('a'), move('a', 'doing'), undo(1), undo(0));
    expect(stepsOf(all, 'You')).toEqual({ undo: null, redo: 'e0' });
    expect(stepsOf([...all, entry(9, redo(0))], 'You')).toEqual({ undo: 'e0', redo: 'e1' });
  });
  test('a new change ends what could be redone', () => {
    expect(stepsOf(log(add('a'), move('a', 'doing'), undo(1), add('b')), 'You')).toEqual({ undo: 'e3', redo: null });
  });
  test('another\'s change does not', () => {
    expect(stepsOf(log(add('a'), undo(0), ['Ada', add('b')]), 'You')).toEqual({ undo: null, redo: 'e0' });
  });
});

test('entries are told in words', () => {
  const titles = new Map([['a', 'Draw the map']]);
  const words = (data: unknown): string => inWords(data, titles, (id) => `the entry ${id}`);
  expect(words(move('a', 'done'))).toBe('moved “Draw the map” to done');
  expect(words({ type: 'remove', card: 'z' })).toBe('removed “z”');
  expect(words(undo(3))).toBe('undid: the entry e3');
  expect(words({ n: 1 })).toBe('{"n":1}');
});

describe('a log', () => {
  const [a, b, c] = [entry(1, 1), entry(2, 2), entry(3, 3)] as [Entry, Entry, Entry];
  test('grows at both ends, each entry once', () => {
    expect(merged([b], [c])).toEqual([b, c]);
    expect(merged([c], [a, b])).toEqual([a, b, c]);
    expect(merged([a, b], [b, c, c])).toEqual([a, b, c]);
    const same = [a, b];
    expect(merged(same, [a])).toBe(same);
  });
  test('is replayed in its own time, at a speed', () => {
    expect([replayWait([a, b], 1, 1), replayWait([a, b], 1, 10), replayWait([a, b], 0, 1), replayWait([a, { ...b, time: 90_000 }], 1, 1)]).toEqual([1000, 100, 0, 2000]);
  });
});
