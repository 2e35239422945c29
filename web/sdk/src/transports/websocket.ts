import { parseObject, readMessage, refusalFrom } from '../protocol.js';
import { address, broken, type Connect, endOf, ended, type Wire } from '../wire.js';

const OPEN = 1;

/** @internal A session over a WebSocket: one message a frame, both ways. */
export const webSocketWire: Connect = (place, on, env) => {
  if (!env.WebSocket) throw new Error('There is no WebSocket here: give that of the package "ws" in the options.');
  const socket = new env.WebSocket(address(place.base, 'ws').replace(/^http/, 'ws'), 'starling.v1.json');
  let opened = false;
  /** When to come back, after the server has said that it goes away. */
  let back = 0;
  const send: Wire['send'] = (command) => {
    if (socket.readyState !== OPEN) return;
    const text = JSON.stringify(command);
    on.frame('out', command.type, text);
    socket.send(text);
  };
  socket.onopen = () => {
    opened = true;
    on.open('');
  };
  socket.onmessage = ({ data }: { readonly data: unknown }) => {
    const object = typeof data === 'string' && parseObject(data);
    if (!object) return;
    on.heard();
    on.frame('in', String(object.type), data);
    const m = readMessage(object);
    if (m?.type === 'ping') send({ type: 'pong' });
    else if (m?.type === 'drain') back = env.now() + m.after;
    else if (m) on.message(m);
  };
  socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
    if (back) on.end(ended('draining', 'The server is going away.', Math.max(0, back - env.now())));
    else if (code >= 4000) on.end(endOf(refusalFrom(code, reason)));
    else on.end(broken('websocket', opened, reason || undefined));
  };
  socket.onerror = () => {}; // the close that follows says what there is to say
  return {
    asks: false,
    send,
    backlog: () => socket.bufferedAmount,
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
};
