import { address, DRAINING, ending, upstream } from './wire.js';

/** What the server names its events; publications have no name. */
const NAMED = ['session', 'reset', 'position', 'skipped', 'signal', 'subscribed', 'unsubscribed'];

/**
 * A session over Server-Sent Events: down by an EventSource, up by POST /send. The
 * EventSource would come back by itself; we do that for it, to show when and to go
 * on over any other transport.
 *
 * @param {import('./wire.js').Place} place
 * @param {import('./wire.js').Events} on
 * @returns {import('./wire.js').Wire}
 */
export function connect(place, on) {
  const url = address('sse', { channel: place.channel, ...(place.since && { since: place.since }) });
  const source = new EventSource(url);
  let session = '';
  /** @type {{code: number, message: string, retry: boolean} | null} */
  let refusal = null;

  const { finish, isOver } = ending(on, () => source.close());
  const up = upstream(() => session, on.frame, finish);
  on.frame('out', 'GET', url.pathname + url.search);

  source.onmessage = (e) => {
    show(e);
    on.publication(JSON.parse(e.data), e.lastEventId);
  };
  for (const name of NAMED) source.addEventListener(name, (e) => named(/** @type {MessageEvent} */ (e)));
  source.onerror = (e) => {
    if (e instanceof MessageEvent) {
      // An event of the server's that is named so: why it is about to end.
      show(e);
      refusal = JSON.parse(e.data);
      return;
    }
    if (refusal) {
      const leaving = refusal.code === DRAINING;
      finish({ why: refusal.message, final: !refusal.retry, ...(leaving && { after: 200 + Math.random() * 1800 }) });
    } else if (source.readyState === EventSource.CLOSED) {
      void explain();
    } else {
      finish({ why: session ? 'The stream has ended.' : 'The stream could not be opened.' });
    }
  };

  /** @param {MessageEvent} e */
  function named(e) {
    show(e);
    const m = JSON.parse(e.data);
    switch (m.type) {
      case 'session':
        session = m.session;
        on.position(e.lastEventId);
        on.open(session);
        break;
      case 'reset':
        on.reset(e.lastEventId || m.position, m.reason);
        break;
      case 'position':
      case 'skipped':
        on.position(e.lastEventId || m.position);
        break;
      case 'unsubscribed':
        finish({ why: m.error?.message ?? 'The server has ended the subscription.', final: m.error?.retry !== true });
        break;
      default:
    }
  }

  /** @param {MessageEvent} e */
  function show(e) {
    if (!isOver()) on.frame('in', e.type === 'message' ? 'publication' : e.type, (e.lastEventId && `id: ${e.lastEventId}\n`) + `event: ${e.type}\ndata: ${e.data}`);
  }

  // An EventSource does not say why it was refused for good, so ask again.
  async function explain() {
    const abort = new AbortController();
    try {
      const r = await fetch(url, { signal: abort.signal, cache: 'no-store' });
      abort.abort();
      const text = r.headers.get('Starling-Error');
      finish({ why: text?.replace(/^\d+ \w+: /, '') ?? `The server answered with ${r.status}.`, final: r.status === 204 });
    } catch {
      finish({ why: 'The stream could not be opened.' });
    }
  }

  return {
    request: up.request,
    check: () => void (session && up.request({ type: 'ping' }).catch(() => {})), // a failure ends it
    close: () => finish(null),
  };
}
