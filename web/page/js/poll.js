import { address, BAD_POSITION, DRAINING, ending, SESSION_GONE, upstream } from './wire.js';

/** How long the server may hold a poll back, in seconds. */
const WAIT = 25;

/**
 * A session over long polling: a request that the server answers when there is
 * something, and then the next.
 *
 * @param {import('./wire.js').Place} place
 * @param {import('./wire.js').Events} on
 * @returns {import('./wire.js').Wire}
 */
export function connect(place, on) {
  let session = '';
  const abort = new AbortController();
  const { finish, isOver } = ending(on, () => abort.abort());
  const up = upstream(() => session, on.frame, finish);

  /** @param {Record<string, string>} query */
  async function poll(query) {
    const url = address('poll', query);
    on.frame('out', 'GET', url.pathname + url.search);
    const r = await fetch(url, { cache: 'no-store', signal: AbortSignal.any([abort.signal, AbortSignal.timeout((WAIT + 10) * 1000)]) });
    const text = await r.text();
    on.frame('in', r.ok ? 'answer' : `answer ${r.status}`, text.trim());
    return JSON.parse(text);
  }

  async function run() {
    // The first is not held back: it tells the session, which sends need.
    let answer = await poll({ channel: place.channel, keep: '1', wait: '0', ...(place.since && { since: place.since }) });
    while (!isOver()) {
      if (answer.error) {
        refused(answer.error);
        return;
      }
      tell(answer);
      answer = await poll({ session, since: answer.position, ack: String(answer.ack), wait: `${WAIT}s` });
    }
  }

  /** @param {any} answer */
  function tell(answer) {
    const first = session === '';
    session = answer.session;
    if (answer.reset.length > 0) on.reset(answer.position, 'gone');
    for (const p of answer.publications) on.publication(p, '');
    on.position(answer.position);
    if (first) on.open(session);
    for (const m of answer.messages ?? []) {
      if (m.type === 'drain') finish({ why: 'The server is going away.', after: m.after });
      if (m.type === 'unsubscribed') finish({ why: m.error?.message ?? 'The server has ended the subscription.', final: m.error?.retry !== true });
    }
  }

  /** @param {{code: number, message: string, retry: boolean}} e */
  function refused(e) {
    const lost = e.code === BAD_POSITION;
    const leaving = e.code === DRAINING || e.code === SESSION_GONE;
    finish({ why: e.message, final: !e.retry && !lost, lost, ...(leaving && { after: 200 + Math.random() * 1800 }) });
  }

  run().catch(() => finish({ why: session ? 'A poll has failed.' : 'The first poll has failed.' }));

  return {
    request: up.request,
    check: () => void (session && up.request({ type: 'ping' }).catch(() => {})), // a failure ends it
    close: () => finish(null),
  };
}
