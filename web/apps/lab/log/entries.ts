// A channel as a log, read backwards in pages and forwards live. Values in, values out.

import type { Publication } from '@starling-rt/client';

export interface Entry {
  readonly id: string;
  readonly offset: number;
  readonly time: number;
  readonly user: string;
  readonly data: unknown;
}

export const entryOf = (p: Publication): Entry => ({ id: p.id, offset: p.offset, time: p.time, user: p.user ?? '', data: p.data });

/** Puts entries where they belong: by their offsets, each id once. */
export function merged(entries: readonly Entry[], more: readonly Entry[]): readonly Entry[] {
  const known = new Set(entries.map((e) => e.id));
  const fresh = more.filter((e) => !known.has(e.id) && known.add(e.id));
  if (fresh.length === 0) return entries;
  const last = entries.at(-1);
  const inOrder = fresh.every((e, i) => e.offset > (fresh[i - 1]?.offset ?? last?.offset ?? -1));
  const all = [...entries, ...fresh];
  return inOrder ? all : all.sort((a, b) => a.offset - b.offset);
}

/** How long a replay waits before the entry at an index, in milliseconds: as long as it was, divided by the speed, but not for ever. */
export function replayWait(entries: readonly Entry[], at: number, speed: number): number {
  const [before, next] = [entries[at - 1], entries[at]];
  if (!before || !next) return 0;
  return Math.min(2000, Math.max(0, next.time - before.time) / speed);
}
