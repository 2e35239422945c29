import type { ReactElement } from 'react';
import { classes, type Tone } from './classes.js';

const WIDTH = 200;

const round = (n: number): number => Math.round(n * 100) / 100;
const short = (n: number): string => (Math.abs(n) >= 100 || Number.isInteger(n) ? String(Math.round(n)) : n.toPrecision(2));

/** The course of a number. `label` says what it is; its least, greatest and last value are said with it, so that nothing is for eyes only. */
export function Sparkline({ label, values, unit = '', height = 36, from, to, tone }: {
  readonly label: string;
  readonly values: readonly number[];
  readonly unit?: string;
  readonly height?: number;
  /** What its foot and its head stand for; 0 and the greatest value unless told. */
  readonly from?: number;
  readonly to?: number;
  readonly tone?: Tone;
}): ReactElement {
  const low = from ?? 0;
  const high = to ?? Math.max(low + 1e-9, ...values);
  const x = (i: number): number => round(values.length > 1 ? (i / (values.length - 1)) * WIDTH : WIDTH);
  const y = (v: number): number => round(height - 1 - ((Math.min(high, Math.max(low, v)) - low) / (high - low)) * (height - 2));
  const line = values.map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(v)}`).join('');
  const said = values.length === 0 ? 'nothing yet' : `last ${short(values.at(-1) ?? 0)}${unit}, between ${short(Math.min(...values))}${unit} and ${short(Math.max(...values))}${unit}`;
  return (
    <svg className={classes('chart', tone)} viewBox={`0 0 ${WIDTH} ${height}`} height={height} preserveAspectRatio="none" role="img" aria-label={`${label}: ${said}`}>
      {values.length > 1 && <><path className="area" d={`${line}L${WIDTH} ${height}L0 ${height}Z`} /><path className="stroke" d={line} /></>}
    </svg>
  );
}

/** How often values fall where: each bin is `[from, to)`, the last takes everything above. `mark` draws a line at a value, such as the median. */
export function Histogram({ label, bins, unit = '', height = 96, mark, tone, hideScale = false }: {
  readonly label: string;
  readonly bins: readonly { readonly from: number; readonly to: number; readonly count: number }[];
  readonly unit?: string;
  readonly height?: number;
  readonly mark?: number | undefined;
  readonly tone?: Tone;
  readonly hideScale?: boolean;
}): ReactElement {
  const most = Math.max(1, ...bins.map((b) => b.count));
  const total = bins.reduce((n, b) => n + b.count, 0);
  const step = WIDTH / Math.max(1, bins.length);
  const top = bins.reduce((a, b) => (b.count > a.count ? b : a), bins[0] ?? { from: 0, to: 0, count: 0 });
  const at = mark === undefined ? -1 : bins.findIndex((b) => mark >= b.from && mark < b.to);
  const within = bins[at];
  const said = total === 0 ? 'nothing yet' : `${total} values, most of them between ${short(top.from)} and ${short(top.to)}${unit}${mark === undefined ? '' : `, median ${short(mark)}${unit}`}`;
  return (
    <div className="histogram">
      <svg className={classes('chart', tone)} viewBox={`0 0 ${WIDTH} ${height}`} height={height} preserveAspectRatio="none" role="img" aria-label={`${label}: ${said}`}>
        {bins.map((b, i) => {
          const tall = b.count === 0 ? 0 : Math.max(2, (b.count / most) * height);
          return <rect key={b.from} className="bar" x={round(i * step + step * 0.08)} y={round(height - tall)} width={round(step * 0.84)} height={round(tall)} rx="1" />;
        })}
        {within && mark !== undefined && <line className="mark" x1={round((at + (mark - within.from) / (within.to - within.from)) * step)} x2={round((at + (mark - within.from) / (within.to - within.from)) * step)} y1="0" y2={height} />}
      </svg>
      {!hideScale && <div className="histogram-scale" aria-hidden="true"><span>{short(bins[0]?.from ?? 0)}{unit}</span><span>{short(bins.at(-1)?.from ?? 0)}{unit} +</span></div>}
    </div>
  );
}

/**
 * Sorts values into bins for a {@link Histogram}.
 *
 * @param edges where the bins begin, growing; the last takes everything above
 */
export function binned(values: readonly number[], edges: readonly number[]): { from: number; to: number; count: number }[] {
  const bins = edges.map((from, i) => ({ from, to: edges[i + 1] ?? from * 2, count: 0 }));
  for (const v of values) {
    const at = edges.findLastIndex((from) => v >= from);
    const bin = bins[Math.max(0, at)];
    if (bin) bin.count++;
  }
  return bins;
}

/** The value below which this part of the values is; undefined if there is none. */
export function quantile(values: readonly number[], part: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
