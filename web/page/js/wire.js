// What the three transports have in common: the shape of their messages, and the
// way upstream for the two that need one.

/**
 * @typedef {{channel: string, offset: number, id: string, data: unknown, key?: string, user?: string, time: number}} Publication
 *
 * @typedef {{channel: string, since: string}} Place
 * Where to go on: after since, or with what comes now if it is empty.
 *
 * @typedef {object} Events
 * @property {(session: string) => void} open from now on it is live
 * @property {(position: string) => void} position everything up to here was told
 * @property {(p: Publication, position: string) => void} publication position is empty where the transport does not tell it
 * @property {(position: string, reason: string) => void} reset publications were missed; it goes on after position
 * @property {(end: End) => void} end it is over; called once, unless it was closed by us
 * @property {(way: 'in' | 'out', kind: string, text: string) => void} frame
 *
 * @typedef {{why: string, after?: number, final?: boolean, lost?: boolean}} End
 * final: another attempt would end alike. lost: the server does not know the position.
 *
 * @typedef {object} Wire
 * @property {(command: Record<string, unknown>) => Promise<any>} request the result; rejects with Refusal or Broken
 * @property {() => void} check find out whether it still lives, and end it if not
 * @property {() => void} close
 */

/** A command that the server has understood and does not obey. */
export class Refusal extends Error {
  /** @param {{code: number, name: string, message: string, retry: boolean}} e */
  constructor(e) {
    super(e.message);
    this.code = e.code;
    this.retry = e.retry;
  }
}

/** A command of which nobody knows whether it has arrived. */
export class Broken extends Error {}

export const BAD_POSITION = 4004;
export const TOO_LARGE = 4005;
export const SESSION_GONE = 4204;
export const SESSION_BUSY = 4205;
export const DRAINING = 4302;

/** How long an answer may take, in milliseconds. */
export const PATIENCE = 10_000;

/**
 * The address of a door of this server, wherever the page is mounted.
 *
 * @param {string} door
 * @param {Record<string, string>} [query]
 */
export function address(door, query = {}) {
  const url = new URL(door, document.baseURI);
  url.search = '';
  url.hash = '';
  for (const [k, v] of Object.entries(query)) url.searchParams.set(k, v);
  return url;
}

/**
 * Calls an end once, and nothing after it.
 *
 * @param {Events} on
 * @param {() => void} cleanUp
 */
export function ending(on, cleanUp) {
  let over = false;
  return {
    isOver: () => over,
    /** @param {End | null} end null when it is our own wish */
    finish(end) {
      if (over) return;
      over = true;
      cleanUp();
      if (end) on.end(end);
    },
  };
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * The way upstream of a session that cannot carry commands itself: one request at a
 * time, in the order in which they were made.
 *
 * @param {() => string} session
 * @param {Events['frame']} frame
 * @param {(end: End) => void} finish called when the way is cut
 */
export function upstream(session, frame, finish) {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  let id = 0;

  /** @param {Record<string, unknown>} command */
  async function post(command) {
    const body = JSON.stringify({ ...command, id: ++id });
    for (;;) {
      frame('out', String(command.type), body);
      /** @type {any} */
      let answer;
      try {
        const r = await fetch(address('send', { session: session() }), { method: 'POST', body, signal: AbortSignal.timeout(PATIENCE) });
        const text = await r.text();
        frame('in', r.ok ? 'reply' : `reply ${r.status}`, text.trim());
        answer = JSON.parse(text);
      } catch {
        finish({ why: 'A command could not be sent.' });
        throw new Broken('the command may not have arrived');
      }
      if (!answer.error) return answer.result;
      if (answer.error.code === SESSION_BUSY) {
        await sleep(100);
        continue;
      }
      if (answer.error.code === SESSION_GONE) {
        finish({ why: 'The server does not know the session any more.', after: 0 });
        throw new Broken('the session is gone');
      }
      throw new Refusal(answer.error);
    }
  }

  return {
    /** @param {Record<string, unknown>} command */
    request(command) {
      const mine = last.then(() => post(command));
      last = mine.catch(() => {});
      return mine;
    },
  };
}
