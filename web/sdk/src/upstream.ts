import { whenAborted } from './abort.js';
import { type Command, codes, type Fields, parseObject, readMessage } from './protocol.js';
import { address, endOf, ended, type Environment, type Listener, type Wire } from './wire.js';

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000;
const BUSY = 100;

/** @internal The way up of a session that cannot carry commands itself. */
export interface Upstream extends Pick<Wire, 'send' | 'backlog'> {
  /** Begins to send. */
  open(session: string): void;
}

/** @internal Sends one request at a time, in their order, until the signal is aborted. */
export function upstream(base: string, on: Listener, env: Environment, signal: AbortSignal): Upstream {
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
    while (!signal.aborted) {
      on.frame('out', command.type, body);
      const answer = await request(body);
      if (signal.aborted) return;
      const m = answer && readMessage(answer);
      if (m?.type !== 'reply') {
        on.end(ended('lost', 'A command could not be sent.'));
        return;
      }
      const error = 'error' in m ? m.error : null;
      if (error?.code === codes.session_busy) {
        await new Promise<void>((done) => void env.setTimeout(done, BUSY));
        continue;
      }
      if (error?.code === codes.session_gone) on.end(endOf(error));
      else if (command.id !== undefined) on.message({ ...m, id: command.id });
      else if (error) on.message({ type: 'error', channel: String(command.channel ?? ''), error });
      return;
    }
  };

  const request = async (body: string): Promise<Fields | null> => {
    const late = new AbortController();
    const timer = env.setTimeout(() => late.abort(), PATIENCE);
    const off = whenAborted(signal, () => late.abort());
    try {
      const r = await env.fetch(address(base, 'send', { session }), { method: 'POST', body, signal: late.signal });
      const text = await r.text();
      on.heard();
      on.frame('in', r.ok ? 'reply' : `reply ${r.status}`, text.trim());
      const answer = parseObject(text);
      // Refusals of the request itself are no replies.
      return answer && !answer.type && answer.error ? { ...answer, type: 'reply' } : answer;
    } catch {
      return null;
    } finally {
      env.clearTimeout(timer);
      off();
    }
  };

  return {
    send(command) {
      waiting.push(command);
      void flush();
    },
    backlog: () => (busy || waiting.length > 0 ? Infinity : 0),
    open(id) {
      session = id;
      void flush();
    },
  };
}
