/** What the server has counted on a line: bytes as they stand in TCP, heads of HTTP and frames included. */
export interface Meter {
  readonly up: number;
  readonly down: number;
  readonly requests: number;
  readonly cuts: number;
  readonly open: number;
}

export const noMeter: Meter = { up: 0, down: 0, requests: 0, cuts: 0, open: 0 };

/** Bytes, as people read them. */
export function bytes(n: number): string {
  if (n < 1000) return `${Math.round(n)} B`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(n < 10_000 ? 1 : 0)} kB`;
  return `${(n / 1_000_000).toFixed(1)} MB`;
}

/** Milliseconds, as people read them. */
export function ms(n: number): string {
  if (n < 10) return `${n.toFixed(1)} ms`;
  if (n < 1000) return `${Math.round(n)} ms`;
  return `${(n / 1000).toFixed(n < 10_000 ? 1 : 0)} s`;
}

/** A number of things, with separators that every reader knows. */
export const count = (n: number): string => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, '\u202f');
