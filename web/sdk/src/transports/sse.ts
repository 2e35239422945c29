import { type Command, codes, parseObject, type Refusal, readMessage, refusalOf } from '../protocol.js';
import { Upstream } from '../upstream.js';
import { address, endOf, ended, Ending, type Environment, type Listener, type Place, refusalIn, type Wire } from '../wire.js';

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
export class SSEWire implements Wire {
  readonly asks = true;
  readonly #on: Listener;
  readonly #ending: Ending;
  readonly #up: Upstream;
  readonly #abort = new AbortController();
  readonly #stream = new StreamReader();
  #opened = false;
  #settled = false;
  #refusal: Refusal | null = null;

  constructor(place: Place, on: Listener, env: Environment) {
    this.#on = on;
    this.#ending = new Ending(on, () => this.#abort.abort());
    this.#up = new Upstream(place.base, on, this.#ending, env, this.#abort.signal);
    void this.#run(place, env);
  }

  send(command: Command): void {
    this.#up.send(command);
  }

  backlog(): number {
    return this.#up.backlog();
  }

  close(): void {
    this.#ending.finish(null);
  }

  async #run(place: Place, env: Environment): Promise<void> {
    const url = address(place.base, 'sse', { channel: place.channels, since: place.since, keep: '1' });
    this.#on.frame('out', 'GET', url);
    try {
      const headers = { Accept: 'text/event-stream', ...(place.token && { Authorization: `Bearer ${place.token}` }) };
      const response = await env.fetch?.(url, { headers, cache: 'no-store', signal: this.#abort.signal });
      if (!response) throw new Error('There is no fetch here.');
      if (response.status !== 200 || !response.body) {
        await this.#refused(response);
        return;
      }
      await this.#read(response.body);
    } catch {
      // It was cut, here or there.
    }
    if (this.#refusal) this.#ending.finish(endOf(this.#refusal, this.#stream.retry));
    else this.#ending.finish(this.#opened ? ended('lost', 'The stream has ended.') : ended('unreachable', 'The stream could not be opened.'));
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#ending.over) return;
      this.#on.heard();
      for (const event of this.#stream.take(decoder.decode(value, { stream: true }))) {
        this.#event(event);
        if (this.#ending.over) return;
      }
    }
  }

  #event({ name, id, data }: StreamEvent): void {
    const object = parseObject(data);
    this.#on.frame('in', name === 'message' ? 'publication' : name, `${id && `id: ${id}\n`}event: ${name}\ndata: ${data}`);
    // An event of this name says why the stream is about to end.
    if (name === 'error' && object && !object.type) {
      this.#refusal = refusalOf(object);
      return;
    }
    const m = object && readMessage(object);
    if (!m) return;
    if (m.type === 'session') {
      this.#opened = true;
      this.#on.open(m.session);
      this.#up.open(m.session);
    } else {
      if (m.type !== 'reset' && !this.#settled) {
        this.#settled = true;
        this.#on.settled();
      }
      this.#on.message(m);
    }
    if (id && !this.#ending.over) this.#on.position(id);
  }

  async #refused(response: Response): Promise<void> {
    const { refusal, after, text } = await refusalIn(response);
    this.#on.frame('in', `answer ${response.status}`, response.headers.get('Starling-Error') ?? text.trim());
    const said = refusal ?? refusalOf(parseObject(text)?.error);
    if (said) this.#ending.finish(endOf(said, said.code === codes.draining ? (after ?? 1000) : after));
    else this.#ending.finish(ended('unreachable', `The server answered with ${response.status}.`, after));
  }
}
