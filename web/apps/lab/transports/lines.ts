// What is measured of each transport. Values in, values out.

import { quantile } from '../../ui/chart.js';
import { type Meter, noMeter } from '../meter.js';

/** The lines that stand side by side: one for each transport, and one whose client may choose. */
export type LineName = 'websocket' | 'sse' | 'poll' | 'auto';

/** What is known of a line. */
export interface LineState {
  /** How long the newest messages took, in milliseconds; below 0 is the clocks' error. */
  readonly latencies: readonly number[];
  readonly received: number;
  /** How often it has come back. */
  readonly reconnects: number;
  readonly connected: boolean;
  readonly everConnected: boolean;
  readonly meter: Meter;
  /** Where the measuring began: what the line has cost before, and how many messages had come. */
  readonly since: { readonly meter: Meter; readonly received: number } | null;
  /** Messages as of the newest reading of the meter, to go with it. */
  readonly receivedAtMeter: number;
}

export const newLine: LineState = { latencies: [], received: 0, reconnects: 0, connected: false, everConnected: false, meter: noMeter, since: null, receivedAtMeter: 0 };

const KEPT = 1000;

export type LineEvent =
  | { readonly type: 'messages'; readonly latencies: readonly number[] }
  | { readonly type: 'state'; readonly connected: boolean }
  | { readonly type: 'meter'; readonly meter: Meter }
  | { readonly type: 'anew' };

/** What a line is after an event. */
export function lineAfter(s: LineState, e: LineEvent): LineState {
  switch (e.type) {
    case 'messages':
      return { ...s, received: s.received + e.latencies.length, latencies: [...s.latencies, ...e.latencies].slice(-KEPT) };
    case 'state':
      if (e.connected === s.connected) return s;
      return { ...s, connected: e.connected, everConnected: s.everConnected || e.connected, reconnects: s.reconnects + (e.connected && s.everConnected ? 1 : 0) };
    case 'meter': {
      // What opening it cost is told apart: the measuring begins with the first reading after a message has come.
      const since = s.since ?? (s.received > 0 && e.meter.down > 0 ? { meter: e.meter, received: s.received } : null);
      return { ...s, meter: e.meter, since, receivedAtMeter: s.received };
    }
    case 'anew':
      return { ...s, latencies: [], reconnects: 0, since: null };
  }
}

/** What can be said of a line. */
export interface Figures {
  readonly messages: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
  /** Per message, since the measuring began. */
  readonly bytes: number | undefined;
  readonly requests: number | undefined;
  /** What it had cost to be open and bring a first message, at the first reading. */
  readonly opening: number | undefined;
  readonly reconnects: number;
  readonly connected: boolean;
}

export function figuresOf(s: LineState): Figures {
  const n = s.since ? s.receivedAtMeter - s.since.received : 0;
  const spent = s.since ? s.meter.up + s.meter.down - s.since.meter.up - s.since.meter.down : 0;
  const requests = s.since ? s.meter.requests - s.since.meter.requests : 0;
  return {
    messages: s.latencies.length,
    p50: quantile(s.latencies, 0.5), p95: quantile(s.latencies, 0.95), p99: quantile(s.latencies, 0.99),
    bytes: n > 0 ? spent / n : undefined, requests: n > 0 ? requests / n : undefined,
    opening: s.since ? s.since.meter.up + s.since.meter.down : undefined,
    reconnects: s.reconnects, connected: s.connected,
  };
}
