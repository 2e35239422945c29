import { type Fields, isFields, isWildcard, numberOf, readMessage, textOf } from '../protocol.js';
import { upstream } from '../upstream.js';
import { type Connect, ended } from '../wire.js';
import { ask, read } from './http.js';

/** How long the server may hold a poll back, in seconds. */
const WAIT = 25;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** @internal A session over long polling: a request that is answered when there is something, and then the next. */
export const pollWire: Connect = (place, on, env) => {
  const cut = new AbortController();
  const { signal } = cut;
  const up = upstream(place.base, on, env, signal);
  let session = '';

  /** Returns the answer, or null after it has ended. */
  const poll = async (query: Readonly<Record<string, string | readonly string[]>>, seconds: number): Promise<Fields | null> => {
    const timer = env.setTimeout(() => on.end(ended('silent', 'A poll was not answered in time.')), (seconds + 10) * 1000);
    try {
      return await read(await ask('poll', query, place, on, env, signal), on, session !== '');
    } catch {
      on.end(ended(session ? 'lost' : 'unreachable', 'A poll has failed.'));
      return null;
    } finally {
      env.clearTimeout(timer);
    }
  };

  const tell = (answer: Fields): void => {
    const position = textOf(answer.position);
    const first = session === '';
    session = textOf(answer.session);
    if (first) on.open(session);
    let leaving: number | null = null;
    const hear = (one: unknown): void => {
      const m = isFields(one) ? readMessage(one) : null;
      if (m?.type === 'drain') leaving = m.after;
      else if (m) on.message(m);
    };
    for (const channel of list(answer.reset).map(textOf)) hear({ type: 'reset', channel, position, reason: isWildcard(channel) ? 'wildcard' : 'gone' });
    if (first) on.settled();
    for (const one of [...list(answer.publications), ...list(answer.signals), ...list(answer.messages)]) hear(one);
    if (position) on.position(position);
    if (leaving !== null) on.end(ended('draining', 'The server is going away.', leaving));
    else if (first) up.open(session);
  };

  const run = async (): Promise<void> => {
    // The first is not held back: it tells the session, which commands need.
    let answer = await poll({ channel: place.channels, since: place.since, keep: '1', wait: '0' }, 0);
    while (answer && !signal.aborted) {
      tell(answer);
      if (signal.aborted) return;
      const { position, ack } = answer;
      answer = await poll({ session, since: textOf(position), ack: String(numberOf(ack)), wait: `${WAIT}s` }, WAIT);
    }
  };
  void run();
  return { asks: true, send: up.send, backlog: up.backlog, close: () => cut.abort() };
};
