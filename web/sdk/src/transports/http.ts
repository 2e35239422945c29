// What the transports over HTTP have in common.

import { type Command, codes, type Fields, parseObject, readMessage, refusalFrom, refusalOf } from '../protocol.js';
import { address, broken, endOf, type Environment, type Listener, type Place, type Query, type Wire } from '../wire.js';
import type { TransportName } from '../machine.js';

/** How long an answer to a command may take, in milliseconds. */
const PATIENCE = 10_000;
const BUSY = 100;

/** @internal A session whose commands go up by POST /send, one at a time, in their order. */
export interface HttpWire extends Wire {
  /** Aborted when the wire is closed. */
  readonly signal: AbortSignal;
  /** Begins to send. */
  open(session: string): void;
  /** Asks a door of the server. */
  ask(door: string, query: Query): Promise<Response>;
  /** Reads what an answer says. One that is not what was hoped for is the end: null. */
  read(response: Response): Promise<Fields | null>;
  /** It broke, or could not be opened. */
  fail(message?: string, after?: number): void;
}

/** @internal */
export function overHttp(transport: TransportName, { base, token }: Place, on: Listener, env: Environment): HttpWire {
  const cut = new AbortController();
  const { signal } = cut;
  const waiting: Command[] = [];
  let session = '';
  let busy = false;

  const flush = async (): Promise<void> => {
    if (busy || !session) return;
    busy = true;
    for (let command = waiting.shift(); command && !signal.aborted; command = waiting.shift()) await post(command);
    busy = false;
    if (!signal.aborted) on.drained();
  };

  const post = async (command: Command): Promise<void> => {
    const body = JSON.stringify(command);
    on.frame('out', command.type, body);
    const lost = (): void => self.fail('A command could not be sent.');
    const timer = env.setTimeout(lost, PATIENCE);
    const text = await env.fetch(address(base, 'send', { session }), { method: 'POST', body, signal }).then((r) => textIn(r, 'reply')).catch(() => '');
    env.clearTimeout(timer);
    if (signal.aborted) return;
    const answer = parseObject(text);
    const error = refusalOf(answer?.error);
    if (!error && answer?.type !== 'reply') lost();
    else if (error?.code === codes.session_busy) {
      waiting.unshift(command);
      await new Promise<void>((done) => env.setTimeout(done, BUSY));
    } else if (error?.code === codes.session_gone) on.end(endOf(error));
    else {
      // Refusals of the request itself are no replies, and what nobody waits for has none.
      const { id, channel } = command;
      const m = readMessage({ ...answer, type: id === undefined ? 'error' : 'reply', id, channel });
      if (m) on.message(m);
    }
  };

  const textIn = async (response: Response, kind: string): Promise<string> => {
    const text = await response.text();
    on.heard();
    on.frame('in', response.ok ? kind : `${kind} ${response.status}`, response.headers.get('Starling-Error') ?? text.trim());
    return text;
  };

  const self: HttpWire = {
    asks: true,
    signal,
    send(command) {
      waiting.push(command);
      void flush();
    },
    backlog: () => (busy || waiting.length > 0 ? Infinity : 0),
    close: () => cut.abort(),
    open(id) {
      session = id;
      void flush();
    },
    ask(door, query) {
      const url = address(base, door, query);
      on.frame('out', 'GET', url);
      const headers = { ...(door === 'sse' && { Accept: 'text/event-stream' }), ...(token && { Authorization: `Bearer ${token}` }) };
      return env.fetch(url, { headers, cache: 'no-store', signal });
    },
    async read(response) {
      const { headers, ok, status } = response;
      const answer = parseObject(await textIn(response, 'answer').catch(() => ''));
      const [, code, reason = ''] = /^(\d+) (.*)$/s.exec(headers.get('Starling-Error') ?? '') ?? [];
      const refusal = code ? refusalFrom(Number(code), reason) : refusalOf(answer?.error);
      if (answer && ok && !refusal) return answer;
      const after = Number(headers.get('Retry-After')) * 1000 || undefined;
      if (refusal) on.end(endOf(refusal, after));
      else self.fail(`The server answered with ${status}.`, after);
      return null;
    },
    fail: (message, after) => on.end(broken(transport, session !== '', message, after)),
  };
  return self;
}
