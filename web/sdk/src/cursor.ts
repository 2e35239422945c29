// Where a client stands in a channel: pure values, no socket and no clock.

/** @internal */
export interface Cursor {
  /** A position that the server gave; empty as long as there is none. */
  readonly position: string;
  /** How many channels that position covers, at most. */
  readonly covers: number;
  /** The offset of the last publication seen since it was given; 0 if there was none. */
  readonly offset: number;
  /** When the position was given: of two that know a channel, the later counts. */
  readonly turn: number;
  /** The highest offset that was ever seen: what is not above it has been told already. */
  readonly last: number;
  /** Where tabs share a connection: which cursors can be compared with this one by what was seen last. */
  readonly line: string;
}

/** @internal */
export const nowhere: Cursor = { position: '', covers: 0, offset: 0, turn: 0, last: 0, line: '' };

let turns = 0;

/** @internal The cursor moves to a position of the server's. */
export function moved(c: Cursor, position: string, covers = 1): Cursor {
  return { ...c, position, covers, offset: 0, turn: ++turns };
}

/** @internal Where an application says that it was: a position, perhaps with a dot and an offset behind it. */
export function from(since: string): Cursor {
  const [, position, digits] = /^([^.,]+)\.(\d+)$/.exec(since) ?? [];
  const offset = Number(digits ?? 0);
  return { ...moved(nowhere, position ?? since), offset, last: offset };
}

/** @internal Something was missed: offsets may mean something else from here on. */
export function lost(position: string, covers = 1): Cursor {
  return moved(nowhere, position, covers);
}

/** @internal A publication came. Null: it has been seen before. */
export function seen(c: Cursor, offset: number): Cursor | null {
  return offset <= c.last ? null : { ...c, offset, last: offset };
}

/** @internal How many channels a request or a position covers at most. */
export const MOST = 32;
const MOST_TEXT = 8192;

/** @internal Where it stands, as a text; without the offset if the position is of several channels. */
export const placeOf = ({ position, offset, covers }: Cursor): string => (position && offset > 0 && covers === 1 ? `${position}.${offset}` : position);

/** @internal The fields of a subscribe that goes on from a cursor. */
export function resume({ position, offset }: Cursor): { since?: string; offset?: number | undefined } {
  return position ? { since: position, offset: offset || undefined } : {};
}

/**
 * @internal Puts as many cursors as one request can carry into one text. Returns it with the channels
 * that it is for; what is left has to be subscribed to by commands.
 */
export function gather(all: Iterable<readonly [string, Cursor]>): { since: string; channels: string[] } {
  const channels: string[] = [];
  const texts = new Set<string>();
  let covered = 0;
  let length = 0;
  let shared = false;
  // The newest first: the server takes the first that knows a channel.
  for (const [channel, c] of [...all].sort(([, a], [, b]) => b.turn - a.turn)) {
    if (channels.length === MOST) break;
    if (c.offset > 0 && c.covers > 1) continue; // what it has seen cannot be said
    if (!c.position && shared) continue; // it begins now, whatever others know of it
    const text = placeOf(c);
    if (text && !texts.has(text)) {
      if (covered + c.covers > MOST || length + text.length + 1 > MOST_TEXT) continue;
      covered += c.covers;
      length += text.length + 1;
      texts.add(text);
      shared ||= c.covers > 1;
    }
    channels.push(channel);
  }
  return { since: [...texts].join(','), channels };
}
