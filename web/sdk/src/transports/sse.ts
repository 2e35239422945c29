import { parseObject, type Refusal, readMessage, refusalOf } from '../protocol.js';
import { type Connect, endOf } from '../wire.js';
import { overHttp } from './http.js';

/** @internal One event of a stream. */
export interface StreamEvent {
  readonly name: string;
  readonly id: string;
  readonly data: string;
}

/** @internal Reads an event stream (WHATWG HTML, 9.2.6) as it comes, in pieces. */
export interface StreamReader {
  /** The last `retry` that was said, in milliseconds. */
  retry: number | undefined;
  /** Returns the events that are complete with this piece. */
  take(piece: string): StreamEvent[];
}

/** @internal */
export function streamReader(): StreamReader {
  let rest = '';
  let name = '';
  let id = '';
  let data = '';
  const self: StreamReader = {
    retry: undefined,
    take(piece) {
      const events: StreamEvent[] = [];
      // A lone CR at the end may be half of a CRLF.
      const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [, field, value = ''] = /^([^:]*)(?::\x20?(.*))?$/s.exec(line) ?? [];
        if (!line) {
          if (data) events.push({ name: name || 'message', id, data: data.slice(0, -1) });
          name = id = data = '';
        } else if (field === 'data') data += `${value}\n`;
        else if (field === 'event') name = value;
        else if (field === 'id') id = value;
        else if (field === 'retry' && /^\d+$/.test(value)) self.retry = Number(value);
      }
      return events;
    },
  };
  return self;
}

/** @internal A session over Server-Sent Events: down by one response that does not end. */
export const sseWire: Connect = (place, on, env) => {
  const wire = overHttp('sse', place, on, env);
  const stream = streamReader();
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
      on.open(m.session);
      wire.open(m.session);
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
      const response = await wire.ask('sse', { channel: place.channels, since: place.since, keep: '1' });
      if (response.status !== 200 || !response.body) {
        await wire.read(response);
        return;
      }
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        on.heard();
        for (const event of stream.take(decoder.decode(value, { stream: true }))) {
          if (wire.signal.aborted) return;
          tell(event);
        }
      }
    } catch {
      // It was cut, here or there.
    }
    if (refusal) on.end(endOf(refusal, stream.retry));
    else wire.fail();
  };
  void run();
  return wire;
};
