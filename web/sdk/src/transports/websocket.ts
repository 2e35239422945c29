import type { End } from '../machine.js';
import { type Command, parseObject, readMessage, refusalFrom } from '../protocol.js';
import { address, endOf, ended, Ending, type Environment, type Listener, type Place, type WebSocketLike, type Wire } from '../wire.js';

const OPEN = 1;

/** @internal A session over a WebSocket: one message a frame, both ways. */
export class WebSocketWire implements Wire {
  readonly asks = false;
  readonly #socket: WebSocketLike;
  readonly #on: Listener;
  readonly #ending: Ending;
  #opened = false;
  #leaving: { readonly after: number; readonly since: number } | null = null;

  constructor(place: Place, on: Listener, env: Environment) {
    this.#on = on;
    if (!env.WebSocket) throw new Error('There is no WebSocket here: give one in the options, such as that of the package "ws".');
    const socket = new env.WebSocket(address(place.base, 'ws').replace(/^http/, 'ws'), 'starling.v1.json');
    this.#socket = socket;
    this.#ending = new Ending(on, () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    });
    socket.onopen = () => {
      this.#opened = true;
      on.open('');
    };
    socket.onmessage = (event: { readonly data: unknown }) => this.#message(event.data, env);
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => this.#ending.finish(this.#end(event.code, event.reason, env));
    socket.onerror = () => {}; // the close that follows says what there is to say
  }

  send(command: Command): void {
    if (this.#ending.over || this.#socket.readyState !== OPEN) return;
    const text = JSON.stringify(command);
    this.#on.frame('out', command.type, text);
    this.#socket.send(text);
  }

  backlog(): number {
    return this.#socket.bufferedAmount;
  }

  close(): void {
    this.#ending.finish(null);
  }

  #message(data: unknown, env: Environment): void {
    const object = typeof data === 'string' ? parseObject(data) : null;
    if (typeof data !== 'string' || !object) return;
    this.#on.heard();
    this.#on.frame('in', String(object.type), data);
    const m = readMessage(object);
    if (m?.type === 'ping') this.send({ type: 'pong' });
    else if (m?.type === 'drain') this.#leaving = { after: m.after, since: env.now() };
    else if (m) this.#on.message(m);
  }

  #end(code: number, reason: string, env: Environment): End {
    if (this.#leaving) return ended('draining', 'The server is going away.', Math.max(0, this.#leaving.after - (env.now() - this.#leaving.since)));
    if (code >= 4000 && code < 5000) return endOf(refusalFrom(code, reason));
    return this.#opened ? ended('lost', reason || 'The connection was lost.') : ended('unreachable', 'The WebSocket could not be opened.');
  }
}
