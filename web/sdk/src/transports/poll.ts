import { type Fields, isFields, isWildcard, listOf, numberOf, readMessage, textOf } from '../protocol.js';
import { type Connect, ended, type Query } from '../wire.js';
import { overHttp } from './http.js';

/** How long the server may hold a poll back, in seconds. */
const WAIT = 25;

/** @internal A session over long polling: a request that is answered when there is something, and then the next. */
export const pollWire: Connect = (place, on, env) => {
  const wire = overHttp('poll', place, on, env);
  let session = '';

  /** Returns the answer, or null after it has ended. */
  const poll = async (query: Query, seconds: number): Promise<Fields | null> => {
    const timer = env.setTimeout(() => on.end(ended('silent', 'The server did not answer in time.')), (seconds + 10) * 1000);
    try {
      return await wire.read(await wire.ask('poll', { ...query, wait: `${seconds}s` }));
    } catch {
      wire.fail();
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
    for (const channel of listOf(answer.reset).map(textOf)) hear({ type: 'reset', channel, position, reason: isWildcard(channel) ? 'wildcard' : 'gone' });
    if (first) on.settled();
    for (const one of [...listOf(answer.publications), ...listOf(answer.signals), ...listOf(answer.messages)]) hear(one);
    if (position) on.position(position);
    if (leaving !== null) on.end(ended('draining', 'The server is going away.', leaving));
    else if (first) wire.open(session);
  };

  const run = async (): Promise<void> => {
    // The first is not held back: it tells the session, which commands need.
    let answer = await poll({ channel: place.channels, since: place.since, keep: '1' }, 0);
    while (answer && !wire.signal.aborted) {
      tell(answer);
      if (wire.signal.aborted) return;
      const { position, ack } = answer;
      answer = await poll({ session, since: textOf(position), ack: String(numberOf(ack)) }, WAIT);
    }
  };
  void run();
  return wire;
};
