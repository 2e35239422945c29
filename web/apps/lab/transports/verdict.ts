// When to use which transport, in plain words, from what was measured. Values in, words out.

import { bytes, ms } from '../meter.js';
import type { Figures } from './lines.js';

export interface Point {
  readonly tone: 'good' | 'warn' | 'bad' | 'plain';
  readonly text: string;
}

/** What can be said, or what is missing to say it. */
export type Verdict =
  | { readonly name: 'measuring'; readonly have: number; readonly need: number }
  | { readonly name: 'said'; readonly best: string; readonly points: readonly Point[] };

/** How many messages a line has to have brought before it is judged. */
export const ENOUGH = 30;

export type Fixed = 'websocket' | 'sse' | 'poll';

const NAMES: Readonly<Record<Fixed, string>> = { websocket: 'WebSocket', sse: 'SSE', poll: 'Long polling' };
const ORDER: readonly Fixed[] = ['websocket', 'sse', 'poll'];

/** Within so much two latencies are the same to whoever looks: 5 ms or a fifth. */
const same = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(5, 0.2 * Math.min(a, b));

const times = (a: number, b: number): string => {
  const x = a / b;
  return x < 1.15 ? 'about as much as' : `${x < 10 ? x.toFixed(1) : Math.round(x)} times as much as`;
};

/** Judges. A line that is not there now is judged as one that does not get through. */
export function verdictOf(lines: Readonly<Record<Fixed, Figures>>): Verdict {
  const there = ORDER.filter((t) => lines[t].connected);
  const away = ORDER.filter((t) => !lines[t].connected);
  if (there.length === 0) return { name: 'said', best: '', points: [{ tone: 'bad', text: 'Nothing gets through. Each client tries again by itself, later each time, and goes on from where it stood.' }] };
  const have = Math.min(...there.map((t) => lines[t].messages));
  if (have < ENOUGH) return { name: 'measuring', have, need: ENOUGH };
  const points: Point[] = [];
  const best = bestOf(lines, there);
  points.push(chosen(lines, there, best));
  for (const t of away) points.push({ tone: 'bad', text: `${NAMES[t]} does not get through at this moment. A client that may choose uses ${NAMES[best]} instead.` });
  const quick = there.filter((t) => t !== best);
  for (const t of quick) points.push(compared(lines, t, best));
  for (const t of there) if (lines[t].reconnects > 0) points.push({ tone: 'warn', text: `${NAMES[t]} has come back ${lines[t].reconnects === 1 ? 'once' : `${lines[t].reconnects} times`} while this was measured; what it missed has come since, and took that long.` });
  return { name: 'said', best, points };
}

/** The first of the ladder that nobody is clearly quicker than. */
function bestOf(lines: Readonly<Record<Fixed, Figures>>, there: readonly Fixed[]): Fixed {
  const quickest = Math.min(...there.map((t) => lines[t].p95 ?? Number.POSITIVE_INFINITY));
  return there.find((t) => same(lines[t].p95 ?? Number.POSITIVE_INFINITY, quickest)) ?? there[0] ?? 'websocket';
}

const REASONS: Readonly<Record<Fixed, string>> = {
  websocket: 'It sends both ways on one connection.',
  sse: 'It is right where a page only listens: plain HTTP, which a plain EventSource understands. What the page says goes by requests of its own.',
  poll: 'It is for networks that let nothing else through: each answer has an end, so nobody holds it back.',
};

function chosen(lines: Readonly<Record<Fixed, Figures>>, there: readonly Fixed[], best: Fixed): Point {
  const f = lines[best];
  const alike = there.filter((t) => t !== best && same(lines[t].p95 ?? 0, f.p95 ?? 0)).map((t) => NAMES[t]);
  const than = there.length === 1 ? 'It is all that gets through.' : alike.length === there.length - 1 ? `Nothing else is quicker: ${alike.join(' and ')} ${alike.length > 1 ? 'take' : 'takes'} as long.` : 'It is the quickest here.';
  const cost = f.bytes === undefined ? '' : ` and ${bytes(f.bytes)} a message`;
  return { tone: 'good', text: `Use ${NAMES[best]} here: 95 of 100 messages are there after ${ms(Math.max(0, f.p95 ?? 0))}${cost}. ${than} ${REASONS[best]}` };
}

function compared(lines: Readonly<Record<Fixed, Figures>>, t: Fixed, best: Fixed): Point {
  const [f, b] = [lines[t], lines[best]];
  const late = (f.p95 ?? 0) - (b.p95 ?? 0);
  const speed = same(f.p95 ?? 0, b.p95 ?? 0) ? `is as quick as ${NAMES[best]}` : late > 0 ? `is ${ms(late)} later than ${NAMES[best]} (95 of 100)` : `is ${ms(-late)} quicker than ${NAMES[best]}`;
  const cost = f.bytes === undefined || !b.bytes ? '' : `, costs ${times(f.bytes, b.bytes)} it in bytes (${bytes(f.bytes)} a message)`;
  const asks = t === 'poll' && f.requests !== undefined ? `, and asks ${f.requests.toFixed(2)} times for each message` : '';
  return { tone: late > 100 ? 'warn' : 'plain', text: `${NAMES[t]} ${speed}${cost}${asks}. ${REASONS[t]}` };
}
