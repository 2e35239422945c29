import type { Client } from '@starling-rt/client';
import { type ReactElement, useEffect, useReducer, useRef, useState } from 'react';
import { Button, Card, classes, quantile, Slider, Sparkline, Stat, Status, wordsOf } from '../../ui/index.js';
import { type Given, Lesson, Traffic } from '../bench.js';
import { bytes, count, ms } from '../meter.js';
import { channelOf, clientOf, serverNow, useBatches, useClientState, useNumbers, useWatch } from '../workspace.js';
import { isQuote, isTrade, type Market, marketAfter, type MarketEvent, newMarket, recounted } from './market.js';

/** How narrow the way can be, in bytes a second; 0 is as wide as it is. */
const WIDTHS = [0, 64_000, 32_000, 16_000, 8000, 4000, 2000];
const widthOf = (step: number): string => {
  const width = WIDTHS[step] ?? 0;
  return width === 0 ? 'as wide as it is' : `${bytes(width)}/s`;
};

const reduce = (m: Market, e: readonly MarketEvent[] | 'anew'): Market => (e === 'anew' ? recounted(m) : marketAfter(m, e));

/** What was true each second. */
interface Second {
  readonly made: number;
  readonly came: number;
  readonly bytes: number;
  readonly age: number;
}

const SECONDS = 60;

/** Keeps the place of a line that is not there yet. */
const BLANK = '\u00a0';

/** How many symbols there are, and how many trades are shown: their places are there before they are. */
const [SYMBOLS, TRADES] = [60, 12];

export function Instruments({ workspace, seed }: Given): ReactElement {
  const { api, visit } = workspace;
  const [{ rate, slow }, setNumbers, read] = useNumbers({ rate: 3000, slow: 0 });
  const [market, dispatch] = useReducer(reduce, newMarket);
  const [client, setClient] = useState<Client | null>(null);
  const [seconds, setSeconds] = useState<readonly Second[]>([]);
  const before = useRef<{ readonly at: number; readonly made: number; readonly came: number; readonly down: number } | null>(null);
  const seen = useRef(market);
  seen.current = market;
  const watch = useWatch(workspace, 'ticker', seed, rate, (report) => {
    const down = report.lines.ticker?.down ?? 0;
    const [at, made, came] = [report.now / 1000, report.made, seen.current.delivered];
    const last = before.current;
    before.current = { at, made, came, down };
    if (!last || at - last.at < 0.2 || came < last.came) return;
    const each = (a: number, b: number): number => Math.max(0, a - b) / (at - last.at);
    const age = quantile(seen.current.ages.slice(-100), 0.5) ?? 0;
    setSeconds((all) => [...all, { made: each(made, last.made), came: each(came, last.came), bytes: each(down, last.down), age }].slice(-SECONDS));
  });
  const clock = useRef(watch.clock);
  clock.current = watch.clock;
  const take = useBatches<MarketEvent>(dispatch);
  const known = watch.clock !== null;

  useEffect(() => {
    if (!known) return undefined;
    const made = clientOf(workspace, 'ticker');
    made.channel(channelOf(workspace, 'ticker', seed)).on('signal', (s) => {
      if (clock.current && !s.deleted && isQuote(s.data)) take({ type: 'quote', quote: s.data, age: Math.max(0, serverNow(clock.current) - s.time) });
    });
    const tape = made.channel(channelOf(workspace, 'tape', seed), { slow: 'latest' });
    tape.on('publication', (p) => {
      if (isTrade(p.data)) take({ type: 'trade', trade: p.data });
    });
    tape.on('skipped', () => take({ type: 'skipped' }));
    setClient(made);
    return () => made.disconnect();
  }, [workspace, seed, known, take]);

  const width = WIDTHS[slow] ?? 0;
  useEffect(() => {
    if (read) void api.faults(visit.workspace, 'ticker', { rate: width });
  }, [api, visit.workspace, width, read]);

  const state = useClientState(client);
  const { tone, busy, word } = wordsOf(state, Date.now());
  const last = seconds.at(-1);
  const part = market.made === 0 ? null : (100 * market.conflated) / market.made;
  return (
    <div className="stack loose">
      <Card title="The market and the way to it" level={2} actions={<Traffic watch={watch} unit="changes" />}>
        <div className="lab-panel">
          <Slider label="Changes a second" min={500} max={10_000} step={500} value={rate} format={count} onChange={(v) => setNumbers({ rate: v })} />
          <Slider label="The way to this page" min={0} max={WIDTHS.length - 1} value={Math.min(slow, WIDTHS.length - 1)} format={widthOf} onChange={(v) => setNumbers({ slow: v })} />
          <div className="stack tight lab-start"><Status tone={tone} busy={busy}>{word}</Status><Button icon="reset" look="quiet" onClick={() => dispatch('anew')}>Count anew</Button></div>
        </div>
      </Card>
      <div className="lab-columns">
        <Figures market={market} seconds={seconds} last={last} part={part} />
        <Lesson title="Conflation">
          <p>A price is a <em>signal</em> with its symbol as key, and complete in itself. The server keeps one value of each key, not a queue for each client: when this page can take more, it is sent the newest of each.</p>
          <p>What is under way already, 8 kB at most, gets old on a narrow way: that is the age of a price, and it does not grow.</p>
          <p>Each price carries the count of its changes, so what came between is known exactly: <strong>made = sent + conflated</strong>.</p>
          <p>Trades are <em>publications</em>, stored one by one. This page follows them with <code>slow: 'latest'</code>: when it is too slow, all but the newest are left out, and it is told so. A client that must have each would fall behind, and read them later from the log.</p>
        </Lesson>
      </div>
      <div className="lab-columns">
        <Card title="Prices" level={2} flush><Quotes market={market} /></Card>
        <Card title="The tape" level={2} foot="Each trade has a number; gaps are what was skipped.">
          <ol className="tape">
            {market.trades.newest.map((t) => <li key={t.trade}><span>#{t.trade}</span><span>{t.symbol}</span><span>{price(t.cents)}</span></li>)}
            {places(TRADES - market.trades.newest.length, (i) => <li key={`place ${i}`} aria-hidden="true">{BLANK}</li>)}
          </ol>
        </Card>
      </div>
    </div>
  );
}

const places = (n: number, make: (i: number) => ReactElement): ReactElement[] => Array.from({ length: Math.max(0, n) }, (_, i) => make(i));

const price = (cents: number): string => (cents / 100).toFixed(2);

function Figures({ market, seconds, last, part }: { readonly market: Market; readonly seconds: readonly Second[]; readonly last: Second | undefined; readonly part: number | null }): ReactElement {
  const age = quantile(market.ages, 0.5);
  const old = quantile(market.ages, 0.95);
  return (
    <Card title="What was sent, conflated and skipped" level={2}>
      <div className="stack" data-made={market.made} data-sent={market.delivered} data-conflated={market.conflated} data-skipped={market.trades.skipped} data-age={age ?? ''}>
        <div className="lab-big">
          <Stat label="Changes made" value={count(market.made)} hint={last ? `${count(last.made)} a second` : 'since you watch'}><Sparkline label="Changes made a second" values={seconds.map((s) => s.made)} height={28} /></Stat>
          <Stat label="Sent to this page" value={count(market.delivered)} hint={last ? `${count(last.came)} a second` : 'since you watch'}><Sparkline label="Changes sent a second" values={seconds.map((s) => s.came)} height={28} /></Stat>
          <Stat label="Conflated" value={count(market.conflated)} hint={part === null ? BLANK : `${part.toFixed(1)} % of what was made`} />
          <Stat label="Trades skipped" value={count(market.trades.skipped)} hint={`${count(market.trades.delivered)} came, ${count(market.trades.notices)} notices`} />
          <Stat label="Age of a price" value={age === undefined ? null : ms(age)} hint={old === undefined ? BLANK : `95 of 100 within ${ms(old)}`}><Sparkline label="Age of a price when it comes" unit=" ms" values={seconds.map((s) => s.age)} height={28} tone="note" /></Stat>
          <Stat label="Down the line" value={last ? `${bytes(last.bytes)}/s` : null} hint={BLANK}><Sparkline label="Bytes a second" values={seconds.map((s) => s.bytes)} height={28} tone="note" /></Stat>
        </div>
      </div>
    </Card>
  );
}

function Quotes({ market }: { readonly market: Market }): ReactElement {
  const rows = [...market.rows.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return (
    <ul className="quotes">
      {rows.map((r) => (
        <li key={r.symbol} className="quote"><b>{r.symbol}</b><span className={classes(r.way > 0 && 'up', r.way < 0 && 'fall')}>{r.way > 0 ? '▴' : r.way < 0 ? '▾' : ' '}{price(r.cents)}</span></li>
      ))}
      {places(SYMBOLS - rows.length, (i) => <li key={`place ${i}`} className="quote" aria-hidden="true">{BLANK}</li>)}
    </ul>
  );
}
