import { parseObject, type Refusal, readMessage, refusalOf } from '../protocol.js';
import { upstream } from '../upstream.js';
import { type Connect, endOf, ended } from '../wire.js';
import { ask, read } from './http.js';

/** @internal One event of a stream. */
export interface StreamEvent {
  readonly name: string;
  readonly id: string;
  readonly data: string;
}

/** @internal Reads an event stream (WHATWG HTML, 9.2.6) as it comes, in pieces. */
export class StreamReader {
  #rest = '';
  #name = '';
  #id = '';
  #data: string[] = [];
  /** The last `retry` that was said, in milliseconds. */
  retry: number | undefined;

  /** Returns the events that are complete with this piece. */
  take(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const text = this.#rest + piece;
    // A lone CR at the end may be half of a CRLF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push({ name: this.#name || 'message', id: this.#id, data: this.#data.join('\n') });
        this.#name = '';
        this.#id = '';
        this.#data = [];
        continue;
      }
      const [, field, value = ''] = /^([^:]*)(?::\x20?(.*))?$/s.exec(line) ?? [];
      if (field === 'data') this.#data.push(value);
      else if (field === 'event') this.#name = value;
      else if (field === 'id') this.#id = value;
      else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    }
    return events;
  }
}

/** @internal A session over Server-Sent Events: down by one response that does not end, up by POST /send. */
export const sseWire: Connect = (place, on, env) => {
  const cut = new AbortController();
  const { signal } = cut;
  const up = upstream(place.base, on, env, signal);
  const stream = new StreamReader();
  let opened = false;
  let settled = false;
  let refusal: Refusal | null = null;

  const tell = ({ name, id, data }: StreamEvent): void => {
    const object = parseObject(data);
    on.frame('in', name === 'message' ? 'publication' : name, `${id && `id: ${id}\n`}event: ${name}\ndata: ${data}`);
    // An event of this name says why the stream is about to end.
    if (name === 'error' && object && !object.type) {
      refusal = refusalOf(object);
      return;
    }
    const m = object && readMessage(object);
    if (!m) return;
    if (m.type === 'session') {
      opened = true;
      on.open(m.session);
      up.open(m.session);
    } else {
      if (m.type !== 'reset' && !settled) {
        settled = true;
        on.settled();
      }
      on.message(m);
    }
    if (id) on.position(id);
  };

  const run = async (): Promise<void> => {
    try {
      const response = await ask('sse', { channel: place.channels, since: place.since, keep: '1' }, place, on, env, signal);
      if (response.status !== 200 || !response.body) {
        await read(response, on, false);
        return;
      }
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        on.heard();
        for (const event of stream.take(decoder.decode(value, { stream: true }))) {
          if (signal.aborted) return;
          tell(event);
        }
      }
    } catch {
      // It was cut, here or there.
    }
    if (refusal) on.end(endOf(refusal, stream.retry));
    else on.end(opened ? ended('lost', 'The stream has ended.') : ended('unreachable', 'The stream could not be opened.'));
  };
  void run();
  return { asks: true, send: up.send, backlog: up.backlog, close: () => cut.abort() };
};
