import { describe, expect, test } from 'vitest';
import { audited, type Ledger, ledgerAfter, type LedgerEvent, missing, newLedger } from '../failure/ledger.js';

const came = (n: number, { published = n * 100, id = `i${n}` } = {}): LedgerEvent => ({ type: 'publication', id, n, published });
const lost = (at: number): LedgerEvent => ({ type: 'lost', cause: 'cut', at, position: 'P' });
const back = (at: number, recovered = true): LedgerEvent => ({ type: 'subscribed', at, recovered });
const book = (...events: LedgerEvent[]): Ledger => ledgerAfter(newLedger, events);

describe('the ledger', () => {
  test('finds what is missing', () => {
    expect(missing(book(came(4), came(5), came(8), came(9)))).toEqual([6, 7]);
    expect(missing(book())).toEqual([]);
    expect(missing(book(came(3), came(4)))).toEqual([]);
  });
  test('a number that comes late is not missing any more, but out of order', () => {
    const l = book(came(1), came(3), came(2));
    expect(missing(l)).toEqual([]);
    expect(l.disorder).toBe(1);
  });
  test('finds what is doubled, by its id', () => {
    expect(book(came(1), came(2), came(2)).doubled).toBe(1);
    expect(book(came(1), came(2)).doubled).toBe(0);
  });
  test('counts bursts, which have no number, by their ids alone', () => {
    const burst = (id: string): LedgerEvent => ({ type: 'publication', id, n: null, published: 0 });
    const l = book(came(1), burst('b1'), burst('b2'), burst('b2'), came(2));
    expect([l.received, l.doubled, missing(l).length]).toEqual([5, 1, 0]);
  });
  test('tells what was replayed from what is live', () => {
    const l = book(came(1), lost(150), back(450), came(2), came(3), came(4), came(5), came(6));
    expect(l.outages).toEqual([{ cause: 'cut', began: 150, ended: 450, from: 'P', recovered: true, replayed: 3 }]);
    expect([...l.replayed]).toEqual([2, 3, 4]);
  });
  test('an outage lasts until there is a subscription again', () => {
    const l = book(came(1), lost(150), lost(200), lost(300));
    expect(l.outages).toMatchObject([{ began: 150, ended: null, recovered: null }]);
    expect(book(lost(1), back(2), lost(3), back(4, false)).outages.map((o) => [o.began, o.ended, o.recovered])).toEqual([[1, 2, true], [3, 4, false]]);
  });
  test('is the same whether events come together or one by one', () => {
    const events = [came(1), lost(150), back(450), came(2), came(3), { type: 'reset' } as const, came(9)];
    expect(events.reduce((l, e) => ledgerAfter(l, [e]), newLedger)).toEqual(book(...events));
  });
});

test('the audit compares with the log, both ways', () => {
  expect(audited(new Set(['a', 'b', 'c']), ['a', 'b', 'c'], true)).toEqual({ inLog: 3, inLedger: 3, lost: 0, invented: 0, complete: true });
  expect(audited(new Set(['a', 'x']), ['a', 'b', 'c'], false)).toEqual({ inLog: 3, inLedger: 2, lost: 2, invented: 1, complete: false });
});
