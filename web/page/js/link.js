// The connection as a pure reducer: what it is, what happened, what it is then and
// what is to be done. It knows no socket, no timer and no clock.

import { delay } from './backoff.js';

/**
 * @typedef {{name: 'idle'}
 *   | {name: 'connecting', attempt: number}
 *   | {name: 'live', attempt: number, since: number, session: string}
 *   | {name: 'waiting', attempt: number, until: number, why: string}
 *   | {name: 'refused', why: string}} Link
 * attempt counts the failures since the connection last held.
 *
 * @typedef {{type: 'start'} | {type: 'stop'}
 *   | {type: 'opened', session: string}
 *   | {type: 'broken', why: string, after?: number}
 *   | {type: 'refused', why: string}
 *   | {type: 'due'} | {type: 'wake'}} Happening
 * after is the server's advice on when to come back, in milliseconds.
 *
 * @typedef {{do: 'open'} | {do: 'close'} | {do: 'check'} | {do: 'timer', ms: number} | {do: 'cancel'}} Effect
 *
 * @typedef {{now: number, random?: () => number}} Surroundings
 */

/** How long a connection must have held for its past failures to be forgotten. */
export const HELD = 5_000;

/** @type {Link} */
export const idle = { name: 'idle' };

/**
 * @param {Link} link
 * @param {Happening} event
 * @param {Surroundings} at
 * @returns {[Link, Effect[]]}
 */
export function reduce(link, event, at) {
  switch (event.type) {
    case 'start': // also to begin anew: another channel, another transport
      return [{ name: 'connecting', attempt: 0 }, [{ do: 'cancel' }, { do: 'close' }, { do: 'open' }]];
    case 'stop':
      return [idle, [{ do: 'cancel' }, { do: 'close' }]];
    case 'opened':
      if (link.name !== 'connecting') return [link, []];
      return [{ name: 'live', attempt: link.attempt, since: at.now, session: event.session }, []];
    case 'refused':
      if (link.name !== 'connecting' && link.name !== 'live') return [link, []];
      return [{ name: 'refused', why: event.why }, [{ do: 'close' }]];
    case 'broken':
      return broken(link, event, at);
    case 'due':
      if (link.name !== 'waiting') return [link, []];
      return [{ name: 'connecting', attempt: link.attempt }, [{ do: 'open' }]];
    case 'wake':
      if (link.name === 'live') return [link, [{ do: 'check' }]];
      if (link.name !== 'waiting') return [link, []];
      return [{ name: 'connecting', attempt: link.attempt }, [{ do: 'cancel' }, { do: 'open' }]];
  }
}

/**
 * @param {Link} link
 * @param {{why: string, after?: number}} event
 * @param {Surroundings} at
 * @returns {[Link, Effect[]]}
 */
function broken(link, event, at) {
  if (link.name !== 'connecting' && link.name !== 'live') return [link, []];
  const held = link.name === 'live' && at.now - link.since >= HELD;
  const attempt = held ? 1 : link.attempt + 1;
  const ms = event.after ?? delay(attempt, at.random);
  return [{ name: 'waiting', attempt, until: at.now + ms, why: event.why }, [{ do: 'close' }, { do: 'timer', ms }]];
}
