// A ledger of what has come, that proves that nothing is missing and nothing doubled. Values in, values out.

/** What is done to the connection. */
export type Cause = 'cut' | 'disconnect' | 'offline' | 'silent' | 'other';

/** A time without a connection. */
export interface Outage {
  readonly cause: Cause;
  readonly began: number;
  /** When there was a subscription again; null as long as there is none. */
  readonly ended: number | null;
  /** Where it stood when it went, and whether it went on there. */
  readonly from: string;
  readonly recovered: boolean | null;
  /** What was published meanwhile, and came afterwards. */
  readonly replayed: number;
}

export interface Ledger {
  /** The numbers of the first and the last that came; the server gives them without gaps. */
  readonly first: number | null;
  readonly last: number | null;
  /** How often each has come. */
  readonly seen: ReadonlyMap<number, number>;
  readonly ids: ReadonlySet<string>;
  /** The numbers of those that came late, after an outage in which they were published. */
  readonly replayed: ReadonlySet<number>;
  readonly received: number;
  /** Publications that came with an id that had come before. */
  readonly doubled: number;
  /** How often a number came that is below one that was there. */
  readonly disorder: number;
  readonly resets: number;
  readonly outages: readonly Outage[];
}

export const newLedger: Ledger = { first: null, last: null, seen: new Map(), ids: new Set(), replayed: new Set(), received: 0, doubled: 0, disorder: 0, resets: 0, outages: [] };

export type LedgerEvent =
  | { readonly type: 'publication'; readonly id: string; readonly n: number | null; readonly published: number }
  | { readonly type: 'lost'; readonly cause: Cause; readonly at: number; readonly position: string }
  | { readonly type: 'subscribed'; readonly at: number; readonly recovered: boolean }
  | { readonly type: 'reset' };

export function ledgerAfter(l: Ledger, events: readonly LedgerEvent[]): Ledger {
  const seen = new Map(l.seen);
  const ids = new Set(l.ids);
  const next = { ...l, seen, ids };
  for (const e of events) step(next, seen, ids, e);
  return next;
}

type Open = { -readonly [K in keyof Ledger]: Ledger[K] };

function step(l: Open, seen: Map<number, number>, ids: Set<string>, e: LedgerEvent): void {
  switch (e.type) {
    case 'publication': {
      l.received++;
      if (ids.has(e.id)) l.doubled++;
      ids.add(e.id);
      const now = l.outages.at(-1);
      const replayed = now !== undefined && now.ended !== null && e.published < now.ended;
      if (replayed) l.outages = [...l.outages.slice(0, -1), { ...now, replayed: now.replayed + 1 }];
      if (e.n === null) return;
      if (replayed) l.replayed = new Set(l.replayed).add(e.n);
      seen.set(e.n, (seen.get(e.n) ?? 0) + 1);
      if (l.last !== null && e.n < l.last) l.disorder++;
      l.first = l.first === null ? e.n : Math.min(l.first, e.n);
      l.last = l.last === null ? e.n : Math.max(l.last, e.n);
      return;
    }
    case 'lost':
      if (l.outages.at(-1)?.ended === null) return;
      l.outages = [...l.outages, { cause: e.cause, began: e.at, ended: null, from: e.position, recovered: null, replayed: 0 }];
      return;
    case 'subscribed': {
      const open = l.outages.at(-1);
      if (open?.ended === null) l.outages = [...l.outages.slice(0, -1), { ...open, ended: e.at, recovered: e.recovered }];
      return;
    }
    case 'reset':
      l.resets++;
  }
}

/** The numbers between the first and the last that have not come. */
export function missing(l: Ledger): readonly number[] {
  if (l.first === null || l.last === null) return [];
  const out: number[] = [];
  for (let n = l.first; n <= l.last; n++) if (!l.seen.has(n)) out.push(n);
  return out;
}

/** What the log holds, beside what the ledger has. */
export interface Audit {
  /** Entries of the log, between the first and the last that came. */
  readonly inLog: number;
  readonly inLedger: number;
  /** In the log, and never came. */
  readonly lost: number;
  /** Came, and is not in the log. */
  readonly invented: number;
  /** Whether the log still had all of it to compare with. */
  readonly complete: boolean;
}

/** Compares the ledger with the log, read from where the ledger begins to where it ended when the reading began. */
export function audited(ids: ReadonlySet<string>, log: readonly string[], complete: boolean): Audit {
  const kept = new Set(log);
  let lost = 0;
  let invented = 0;
  for (const id of kept) if (!ids.has(id)) lost++;
  for (const id of ids) if (!kept.has(id)) invented++;
  return { inLog: kept.size, inLedger: ids.size, lost, invented, complete };
}
