import { address, BAD_POSITION, Broken, ending, PATIENCE, Refusal, TOO_LARGE } from './wire.js';

/** Close codes that another attempt would meet again. */
const FINAL = new Set([4000, 4001, 4002, 4003, 4005, 4006, 4007, 4100, 4101, 4103, 4104]);

/**
 * A session over a WebSocket: one message a frame, both ways.
 *
 * @param {import('./wire.js').Place} place
 * @param {import('./wire.js').Events} on
 * @returns {import('./wire.js').Wire}
 */
export function connect(place, on) {
  const url = address('ws');
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, 'starling.v1.json');

  /** @type {Map<number, {resolve: (result: any) => void, reject: (e: Error) => void, timer: ReturnType<typeof setTimeout>}>} */
  const waiting = new Map();
  let id = 0;
  let opened = false;
  let heard = Date.now();
  let quiet = 60_000; // how long it may be silent; the server tells its heartbeat
  let most = Infinity; // bytes of a message
  let comeBack = 0; // when the server wants us back, as it said in advance

  const watch = setInterval(() => {
    if (Date.now() - heard > quiet) finish({ why: 'Nothing was heard for too long.' });
  }, 5_000);

  const { finish, isOver } = ending(on, () => {
    clearInterval(watch);
    for (const w of waiting.values()) {
      clearTimeout(w.timer);
      w.reject(new Broken('the connection has ended'));
    }
    waiting.clear();
    socket.close();
  });

  /**
   * @param {Record<string, unknown>} command
   * @param {number} [patience]
   */
  function request(command, patience = PATIENCE) {
    if (isOver() || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Broken('not connected'));
    const n = ++id;
    // The server ends a connection that says too much, so it is not tried.
    if (new TextEncoder().encode(JSON.stringify({ ...command, id: n })).length > most) {
      return Promise.reject(new Refusal({ code: TOO_LARGE, name: 'too_large', message: `A message has at most ${most} bytes.`, retry: false }));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish({ why: 'An answer did not come in time.' }), patience);
      waiting.set(n, { resolve, reject, timer });
      say({ ...command, id: n });
    });
  }

  /** @param {Record<string, unknown>} message */
  function say(message) {
    const text = JSON.stringify(message);
    on.frame('out', String(message.type), text);
    socket.send(text);
  }

  socket.onopen = async () => {
    // Both at once: neither has to wait for the other.
    const connected = request({ type: 'connect', pings: true });
    const subscribed = request({ type: 'subscribe', channel: place.channel, ...(place.since && { since: place.since }) });
    connected.catch(() => {}); // the first that fails ends it, below
    try {
      const [who] = await Promise.all([connected, subscribed]);
      if (who.ping > 0) quiet = who.ping * 1.2 + 10_000;
      most = who.maxMessage;
      opened = true;
      on.open(who.session);
    } catch (e) {
      if (!(e instanceof Refusal)) return; // it has ended already
      finish({ why: e.message, final: !e.retry && e.code !== BAD_POSITION, lost: e.code === BAD_POSITION });
    }
  };

  socket.onmessage = ({ data }) => {
    if (isOver()) return;
    heard = Date.now();
    const m = JSON.parse(data);
    on.frame('in', m.type, data);
    switch (m.type) {
      case 'publication':
        on.publication(m, '');
        break;
      case 'reply':
        replied(m);
        break;
      case 'reset':
        on.reset(m.position, m.reason);
        break;
      case 'position':
      case 'skipped':
        on.position(m.position);
        break;
      case 'ping':
        say({ type: 'pong' });
        break;
      case 'drain':
        comeBack = Date.now() + m.after;
        break;
      case 'unsubscribed':
        finish({ why: m.error?.message ?? 'The server has ended the subscription.', final: m.error?.retry !== true });
        break;
      default: // signals and what is to come are shown as frames only
    }
  };

  /** @param {any} m */
  function replied(m) {
    const w = waiting.get(m.id);
    if (!w) return;
    waiting.delete(m.id);
    clearTimeout(w.timer);
    if (m.error) {
      w.reject(new Refusal(m.error));
      return;
    }
    // The publications of the channel follow its reply at once, before the
    // promise is heard of.
    if (!opened && m.result.recovered !== undefined) {
      if (place.since && !m.result.recovered) on.reset(m.result.position, 'gone');
      else on.position(m.result.position);
    }
    w.resolve(m.result);
  }

  socket.onclose = ({ code, reason }) => {
    if (comeBack) finish({ why: 'The server is going away.', after: Math.max(0, comeBack - Date.now()) });
    else if (FINAL.has(code)) finish({ why: reason, final: true });
    else finish({ why: reason || (opened ? 'The connection was lost.' : 'The WebSocket could not be opened.') });
  };

  return {
    request,
    check: () => void request({ type: 'ping' }, 4_000).catch(() => {}), // silence ends it
    close: () => finish(null),
  };
}
