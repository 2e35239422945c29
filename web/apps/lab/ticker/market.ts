// What a client sees of a market that changes more often than it can hear. Values in, values out.

/** A price, complete in itself: `change` counts the changes of its symbol. */
export interface Quote {
  readonly symbol: string;
  readonly cents: number;
  readonly change: number;
}

/** One of the changes that are also stored, on the tape: `trade` counts them. */
export interface Trade {
  readonly n: number;
  readonly trade: number;
  readonly symbol: string;
  readonly cents: number;
}

interface Row {
  readonly symbol: string;
  readonly cents: number;
  /** 1 up, -1 down, 0 as before. */
  readonly way: number;
  readonly change: number;
  /** The change that was seen first. */
  readonly first: number;
  readonly delivered: number;
}

export interface Market {
  readonly rows: ReadonlyMap<string, Row>;
  /** Quotes that came. */
  readonly delivered: number;
  /** Changes that the server has made between the first and the last quote of each symbol. */
  readonly made: number;
  /** Of these, those that a newer one has replaced before they were sent. */
  readonly conflated: number;
  /** How old the newest quotes were when they came, in milliseconds. */
  readonly ages: readonly number[];
  readonly trades: {
    readonly delivered: number;
    /** Trades that were left out, as the policy `latest` has it. */
    readonly skipped: number;
    /** How often the server said so. */
    readonly notices: number;
    readonly last: number;
    readonly newest: readonly Trade[];
  };
}

export const newMarket: Market = { rows: new Map(), delivered: 0, made: 0, conflated: 0, ages: [], trades: { delivered: 0, skipped: 0, notices: 0, last: 0, newest: [] } };

const AGES = 500;
const TRADES = 12;

export type MarketEvent =
  | { readonly type: 'quote'; readonly quote: Quote; readonly age: number }
  | { readonly type: 'trade'; readonly trade: Trade }
  | { readonly type: 'skipped' };

/** What the market looks like after some events: those of one frame together. */
export function marketAfter(m: Market, events: readonly MarketEvent[]): Market {
  const rows = new Map(m.rows);
  const ages = [...m.ages];
  let { delivered, made } = m;
  let trades = m.trades;
  for (const e of events) {
    switch (e.type) {
      case 'quote': {
        const before = rows.get(e.quote.symbol);
        // The newest value comes again to who subscribes again, and counts once.
        if (before && e.quote.change <= before.change) continue;
        delivered++;
        made += before ? e.quote.change - before.change : 1;
        ages.push(e.age);
        rows.set(e.quote.symbol, {
          symbol: e.quote.symbol, cents: e.quote.cents, change: e.quote.change, first: before?.first ?? e.quote.change,
          way: before ? Math.sign(e.quote.cents - before.cents) : 0, delivered: (before?.delivered ?? 0) + 1,
        });
        break;
      }
      case 'trade': {
        if (e.trade.trade <= trades.last) continue;
        const skipped = trades.last === 0 ? 0 : e.trade.trade - trades.last - 1;
        trades = { ...trades, delivered: trades.delivered + 1, skipped: trades.skipped + skipped, last: e.trade.trade, newest: [e.trade, ...trades.newest].slice(0, TRADES) };
        break;
      }
      case 'skipped':
        trades = { ...trades, notices: trades.notices + 1 };
        break;
    }
  }
  return { rows, delivered, made, conflated: made - delivered, ages: ages.slice(-AGES), trades };
}

/** Begins to count anew, on the prices that are there. */
export function recounted(m: Market): Market {
  const rows = new Map([...m.rows].map(([symbol, row]) => [symbol, { ...row, first: row.change, delivered: 0 }]));
  return { ...newMarket, rows, trades: { ...newMarket.trades, last: m.trades.last, newest: m.trades.newest } };
}

export function isQuote(data: unknown): data is Quote {
  return typeof data === 'object' && data !== null && 'symbol' in data && typeof data.symbol === 'string' && 'cents' in data && typeof data.cents === 'number' && 'change' in data && typeof data.change === 'number';
}

export function isTrade(data: unknown): data is Trade {
  return typeof data === 'object' && data !== null && 'symbol' in data && typeof data.symbol === 'string' && 'cents' in data && typeof data.cents === 'number' && 'trade' in data && typeof data.trade === 'number';
}
