import { describe, expect, test } from 'vitest';
import { type Build, buildsAfter, isBuild } from '../builds/feed.js';
import { isQuote, isTrade, type Market, marketAfter, type MarketEvent, newMarket, recounted } from '../ticker/market.js';

const quote = (symbol: string, change: number, cents = 100, age = 1): MarketEvent => ({ type: 'quote', quote: { symbol, cents, change }, age });
const trade = (n: number): MarketEvent => ({ type: 'trade', trade: { n, trade: n, symbol: 'A', cents: 1 } });
const saw = (...events: MarketEvent[]): Market => marketAfter(newMarket, events);

describe('the market', () => {
  test('conflated is what was made and did not come', () => {
    const m = saw(quote('A', 10), quote('B', 4), quote('A', 15), quote('B', 5));
    expect([m.delivered, m.made, m.conflated]).toEqual([4, 8, 4]);
  });
  test('a value that comes again counts once', () => {
    const m = saw(quote('A', 10), quote('A', 10), quote('A', 9));
    expect([m.delivered, m.made, m.conflated]).toEqual([1, 1, 0]);
  });
  test('is the same whether events come together or one by one', () => {
    const events = [quote('A', 1), trade(1), quote('A', 5, 120), { type: 'skipped' } as const, trade(9), quote('B', 2)];
    expect(events.reduce((m, e) => marketAfter(m, [e]), newMarket)).toEqual(marketAfter(newMarket, events));
  });
  test('what was made always is what came and what was conflated', () => {
    let seed = 1;
    const random = (n: number): number => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed % n;
    };
    const at = new Map<string, number>();
    let m = newMarket;
    let came = 0;
    for (let i = 0; i < 2000; i++) {
      const symbol = `S${random(20)}`;
      const change = (at.get(symbol) ?? 0) + 1 + random(9);
      at.set(symbol, change);
      m = marketAfter(m, [quote(symbol, change)]);
      came++;
    }
    const made = [...m.rows.values()].reduce((n, r) => n + r.change - r.first + 1, 0);
    expect(m.delivered).toBe(came);
    expect(m.made).toBe(made);
    expect(m.conflated).toBe(made - came);
  });
  test('trades that were left out are counted by their numbers', () => {
    const { trades } = saw(trade(5), trade(6), { type: 'skipped' }, trade(10), trade(10));
    expect(trades).toMatchObject({ delivered: 3, skipped: 3, notices: 1, last: 10 });
  });
  test('counts anew on the prices that are there', () => {
    const m = marketAfter(recounted(saw(quote('A', 10, 100), quote('A', 20, 110), trade(7))), [quote('A', 23, 90), trade(9)]);
    expect([m.delivered, m.made, m.conflated]).toEqual([1, 3, 2]);
    expect(m.trades).toMatchObject({ delivered: 1, skipped: 1 });
    expect(m.rows.get('A')).toMatchObject({ cents: 90, way: -1 });
  });
  test('knows its own data', () => {
    expect([isQuote({ symbol: 'A', cents: 1, change: 2 }), isQuote({ symbol: 'A' }), isQuote(null), isQuote('x')]).toEqual([true, false, false, false]);
    expect([isTrade({ symbol: 'A', cents: 1, trade: 2, n: 3 }), isTrade({ symbol: 'A', cents: 1, change: 2 })]).toEqual([true, false]);
  });
});

describe('builds', () => {
  const build = (id: number, done: number, status: Build['status'] = 'running'): Build => ({ n: 0, build: id, branch: 'main', step: 'compile', status, done, of: 5 });
  test('the last state of each is what counts, the newest first', () => {
    const list = [build(1, 0), build(2, 0), build(1, 1), build(2, 1, 'failed')].reduce((all, b) => buildsAfter(all, b), [] as readonly Build[]);
    expect(list.map((b) => [b.build, b.done, b.status])).toEqual([[2, 1, 'failed'], [1, 1, 'running']]);
  });
  test('only so many are kept', () => {
    let list: readonly Build[] = [];
    for (let i = 1; i <= 30; i++) list = buildsAfter(list, build(i, 0), 5);
    expect(list.map((b) => b.build)).toEqual([30, 29, 28, 27, 26]);
  });
  test('what is none is told', () => {
    expect([isBuild(build(1, 1)), isBuild({ ...build(1, 1), status: 'odd' }), isBuild({ burst: 1 })]).toEqual([true, false, false]);
  });
});
