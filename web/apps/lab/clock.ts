// Whose clock says what: latencies are told by the server's clock at one end and this page's at the other.

/** One question for the server's time: when it was sent and answered by this page's clock, and what the server's said between. */
export interface ClockSample {
  readonly sent: number;
  readonly received: number;
  readonly server: number;
}

/** By how much the server's clock is ahead of this page's, and by how much that may be wrong. All in milliseconds. */
export interface Clock {
  readonly offset: number;
  readonly error: number;
}

const KEPT = 30;

/** Adds a sample to those that are kept. */
export const sampled = (samples: readonly ClockSample[], sample: ClockSample): readonly ClockSample[] => [...samples, sample].slice(-KEPT);

/**
 * What the samples tell. The quickest answer tells most: the server has read its clock somewhere within its round trip, so that half
 * of that is what may be wrong.
 */
export function clockOf(samples: readonly ClockSample[]): Clock | null {
  let best: ClockSample | null = null;
  for (const s of samples) if (!best || s.received - s.sent < best.received - best.sent) best = s;
  return best && { offset: best.server - (best.sent + best.received) / 2, error: (best.received - best.sent) / 2 };
}
