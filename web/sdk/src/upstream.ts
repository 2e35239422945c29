import { type Command, codes, parseObject, readMessage } from './protocol.js';
import { address, endOf, ended, type Ending, type Environment, type Listener } from './wire.js';

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000;
const BUSY = 100;

/** @internal The way up of a session that cannot carry commands itself: one request at a time, in their order. */
export class Upstream {
  readonly #waiting: Command[] = [];
  readonly #base: string;
  readonly #on: Listener;
  readonly #ending: Ending;
  readonly #env: Environment;
  readonly #abort: AbortSignal;
  #session = '';
  #busy = false;

  constructor(base: string, on: Listener, ending: Ending, env: Environment, abort: AbortSignal) {
    this.#base = base;
    this.#on = on;
    this.#ending = ending;
    this.#env = env;
    this.#abort = abort;
  }

  /** Begins to send. */
  open(session: string): void {
    this.#session = session;
    void this.#flush();
  }

  send(command: Command): void {
    this.#waiting.push(command);
    void this.#flush();
  }

  /** Requests have no size that could be measured: as long as one is under way there is no room. */
  backlog(): number {
    return this.#busy || this.#waiting.length > 0 ? Number.POSITIVE_INFINITY : 0;
  }

  async #flush(): Promise<void> {
    if (this.#busy || !this.#session) return;
    this.#busy = true;
    for (let command = this.#waiting.shift(); command && !this.#ending.over; command = this.#waiting.shift()) await this.#post(command);
    this.#busy = false;
    if (!this.#ending.over) this.#on.drained();
  }

  async #post(command: Command): Promise<void> {
    const body = JSON.stringify(command);
    while (!this.#ending.over) {
      this.#on.frame('out', command.type, body);
      const answer = await this.#request(body);
      if (this.#ending.over) return;
      const m = answer && readMessage(answer);
      if (m?.type !== 'reply') {
        this.#ending.finish(ended('lost', 'A command could not be sent.'));
        return;
      }
      if ('error' in m && m.error.code === codes.session_busy) {
        await new Promise<void>((done) => this.#env.setTimeout(done, BUSY));
        continue;
      }
      if ('error' in m && m.error.code === codes.session_gone) {
        this.#ending.finish(endOf(m.error, 0));
        return;
      }
      if (command.id !== undefined) this.#on.message({ ...m, id: command.id });
      else if ('error' in m) this.#on.message({ type: 'error', channel: String(command.channel ?? ''), error: m.error });
      return;
    }
  }

  async #request(body: string): Promise<ReturnType<typeof parseObject>> {
    const cut = new AbortController();
    const timer = this.#env.setTimeout(() => cut.abort(), PATIENCE);
    const stop = (): void => cut.abort();
    this.#abort.addEventListener('abort', stop);
    try {
      const r = await this.#env.fetch?.(address(this.#base, 'send', { session: this.#session }), { method: 'POST', body, signal: cut.signal });
      const text = (await r?.text()) ?? '';
      this.#on.heard();
      this.#on.frame('in', r?.ok ? 'reply' : `reply ${r?.status}`, text.trim());
      const answer = parseObject(text);
      // Refusals of the request itself are no replies.
      return answer && !answer.type && answer.error ? { ...answer, type: 'reply' } : answer;
    } catch {
      return null;
    } finally {
      this.#env.clearTimeout(timer);
      this.#abort.removeEventListener('abort', stop);
    }
  }
}
