import { describe, expect, test } from 'vitest';
import { clockOf, sampled } from '../clock.js';
import { bytes, count, ms, type Meter, noMeter } from '../meter.js';
import { figuresOf, lineAfter, type LineEvent, newLine } from '../transports/lines.js';
import { ENOUGH, type Fixed, verdictOf } from '../transports/verdict.js';

describe('the clock', () => {
  test('goes by the quickest answer, and knows how wrong that may be', () => {
    const samples = [{ sent: 0, received: 100, server: 1000 }, { sent: 200, received: 204, server: 1203 }, { sent: 300, received: 350, server: 9999 }];
    expect(clockOf(samples)).toEqual({ offset: 1001, error: 2 });
    expect(clockOf([])).toBeNull();
  });
  test('forgets what is old', () => {
    let s = sampled([], { sent: 0, received: 1, server: 5 });
    for (let i = 0; i < 50; i++) s = sampled(s, { sent: i, received: i + 20, server: i });
    expect(s).toHaveLength(30);
    expect(clockOf(s)?.error).toBe(10);
  });
});

test('numbers are written for people', () => {
  expect([bytes(12.4), bytes(1234), bytes(56_789), bytes(2_500_000)]).toEqual(['12 B', '1.2 kB', '57 kB', '2.5 MB']);
  expect([ms(3.06), ms(42.4), ms(1234), ms(12_345)]).toEqual(['3.1 ms', '42 ms', '1.2 s', '12 s']);
  expect([count(999), count(1000), count(1_234_567)]).toEqual(['999', '1\u202f000', '1\u202f234\u202f567']);
});

const line = (...events: LineEvent[]) => events.reduce(lineAfter, newLine);
const meter = (m: Partial<Meter>): LineEvent => ({ type: 'meter', meter: { ...noMeter, ...m } });
const on: LineEvent = { type: 'state', connected: true };
const off: LineEvent = { type: 'state', connected: false };
const came = (...latencies: number[]): LineEvent => ({ type: 'messages', latencies });

describe('a line', () => {
  test('costs per message what it cost after it was open', () => {
    const f = figuresOf(line(on, came(1), meter({ up: 500, down: 400, requests: 1 }), came(1, 1, 1, 1), meter({ up: 520, down: 780, requests: 2 })));
    expect(f.bytes).toBe(100);
    expect(f.requests).toBe(0.25);
    expect(f.opening).toBe(900);
  });
  test('has no cost as long as it was not open', () => {
    const f = figuresOf(line(on, meter({ up: 500, down: 900, requests: 3 })));
    expect([f.bytes, f.requests, f.opening]).toEqual([undefined, undefined, undefined]);
  });
  test('counts messages since the last reading with the next', () => {
    const f = figuresOf(line(on, came(1), meter({ down: 9 }), came(1, 1), meter({ down: 209 }), came(1, 1, 1)));
    expect(f.bytes).toBe(100);
  });
  test('counts coming back, not coming', () => {
    expect(line(on, on, off, off, on, off).reconnects).toBe(1);
  });
  test('tells quantiles of what came', () => {
    const f = figuresOf(line(on, came(...Array.from({ length: 100 }, (_, i) => i + 1))));
    expect([f.p50, f.p95, f.p99]).toEqual([51, 96, 100]);
  });
  test('begins anew', () => {
    const s = line(on, off, on, came(9, 9), meter({ down: 500 }), came(9), { type: 'anew' }, meter({ down: 900 }), came(1), meter({ down: 1000 }));
    expect(figuresOf(s)).toMatchObject({ reconnects: 0, bytes: 100, p50: 1 });
  });
  test('keeps so many latencies', () => {
    expect(line(came(...Array.from({ length: 1500 }, (_, i) => i))).latencies).toHaveLength(1000);
  });
});

describe('the verdict', () => {
  /** A line with so many messages that took so long and cost so much. */
  const measured = (latency: number, cost: number, { n = 100, connected = true, requests = 0, reconnects = 0 } = {}) => {
    const s = line(on, came(latency), meter({ down: 1 }), came(...Array.from({ length: n - 1 }, () => latency)), meter({ down: 1 + cost * (n - 1), requests: requests * (n - 1) }));
    return { ...figuresOf(s), connected, reconnects };
  };
  const say = (lines: Record<Fixed, ReturnType<typeof measured>>) => {
    const v = verdictOf(lines);
    return v.name === 'said' ? v.points.map((p) => p.text).join('\n') : `measuring ${v.have}`;
  };

  test('waits until it has enough', () => {
    expect(verdictOf({ websocket: measured(5, 100, { n: 10 }), sse: measured(5, 100), poll: measured(5, 100) })).toEqual({ name: 'measuring', have: 10, need: ENOUGH });
  });
  test('takes WebSocket where all are alike', () => {
    const v = verdictOf({ websocket: measured(6, 100), sse: measured(5, 120), poll: measured(7, 900, { requests: 0.9 }) });
    expect(v).toMatchObject({ name: 'said', best: 'websocket' });
  });
  test('takes what is quicker, if that is to be felt', () => {
    expect(verdictOf({ websocket: measured(500, 100), sse: measured(20, 120), poll: measured(60, 900) })).toMatchObject({ best: 'sse' });
  });
  test('says what does not get through, and goes by the others', () => {
    const text = say({ websocket: measured(5, 100, { n: 3, connected: false }), sse: measured(5, 120), poll: measured(250, 900, { requests: 1 }) });
    expect(text).toContain('Use SSE here');
    expect(text).toContain('WebSocket does not get through at this moment. A client that may choose uses SSE instead.');
    expect(text).toContain('Long polling is 245 ms later than SSE');
    expect(text).toContain('7.5 times as much as it in bytes (900 B a message), and asks 1.00 times for each message');
  });
  test('says when nothing gets through', () => {
    const away = measured(5, 100, { connected: false });
    expect(say({ websocket: away, sse: away, poll: away })).toContain('Nothing gets through');
  });
  test('says what has come back', () => {
    expect(say({ websocket: measured(5, 100, { reconnects: 2 }), sse: measured(5, 120), poll: measured(5, 900) })).toContain('WebSocket has come back 2 times');
  });
});
