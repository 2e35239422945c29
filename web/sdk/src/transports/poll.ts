import { type Command, codes, type Fields, isWildcard, numberOf, parseObject, readMessage, refusalOf, textOf, isFields } from '../protocol.js';
import { Upstream } from '../upstream.js';
import { address, endOf, ended, Ending, type Environment, type Listener, type Place, refusalIn, type Wire } from '../wire.js';

/** How long the server may hold a poll back, in seconds. */
const WAIT = 25;

/** @internal A session over long polling: a request that is answered when there is something, and then the next. */
export class PollWire implements Wire {
  readonly asks = true;
  readonly #on: Listener;
  readonly #env: Environment;
  readonly #ending: Ending;
  readonly #up: Upstream;
  readonly #abort = new AbortController();
  readonly #place: Place;
  #session = '';

  constructor(place: Place, on: Listener, env: Environment) {
    this.#on = on;
    this.#env = env;
    this.#place = place;
    this.#ending = new Ending(on, () => this.#abort.abort());
    this.#up = new Upstream(place.base, on, this.#ending, env, this.#abort.signal);
    void this.#run();
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

  async #run(): Promise<void> {
    const { channels, since } = this.#place;
    // The first is not held back: it tells the session, which commands need.
    let answer = await this.#poll({ channel: channels, since, keep: '1', wait: '0' }, 0);
    while (answer && !this.#ending.over) {
      this.#tell(answer);
      if (this.#ending.over) return;
      const { position, ack } = answer;
      answer = await this.#poll({ session: this.#session, since: textOf(position), ack: String(numberOf(ack)), wait: `${WAIT}s` }, WAIT);
    }
  }

  /** Returns the answer, or null after it has ended. */
  async #poll(query: Readonly<Record<string, string | readonly string[]>>, seconds: number): Promise<Fields | null> {
    const url = address(this.#place.base, 'poll', query);
    this.#on.frame('out', 'GET', url);
    const timer = this.#env.setTimeout(() => this.#ending.finish(ended('silent', 'A poll was not answered in time.')), (seconds + 10) * 1000);
    try {
      const headers = this.#place.token ? { Authorization: `Bearer ${this.#place.token}` } : {};
      const response = await this.#env.fetch?.(url, { headers, cache: 'no-store', signal: this.#abort.signal });
      if (!response) throw new Error('There is no fetch here.');
      const { refusal, after, text } = await refusalIn(response);
      this.#on.heard();
      this.#on.frame('in', response.ok ? 'answer' : `answer ${response.status}`, text.trim());
      const answer = parseObject(text);
      const said = refusal ?? refusalOf(answer?.error);
      if (said) this.#ending.finish(endOf(said, said.code === codes.session_gone ? 0 : after));
      else if (!answer || !response.ok) this.#ending.finish(ended(this.#session ? 'lost' : 'unreachable', `The server answered with ${response.status}.`, after));
      else return answer;
    } catch {
      this.#ending.finish(ended(this.#session ? 'lost' : 'unreachable', this.#session ? 'A poll has failed.' : 'The first poll has failed.'));
    } finally {
      this.#env.clearTimeout(timer);
    }
    return null;
  }

  #tell(answer: Fields): void {
    const position = textOf(answer.position);
    const first = this.#session === '';
    this.#session = textOf(answer.session);
    if (first) {
      this.#on.open(this.#session);
      if (this.#ending.over) return;
    }
    for (const channel of list(answer.reset).map(textOf)) this.#on.message({ type: 'reset', channel, position, reason: isWildcard(channel) ? 'wildcard' : 'gone', line: '' });
    if (first) this.#on.settled();
    let leaving: number | null = null;
    for (const one of [...list(answer.publications), ...list(answer.signals), ...list(answer.messages)]) {
      const m = isFields(one) ? readMessage(one) : null;
      if (m?.type === 'drain') leaving = m.after;
      else if (m) this.#on.message(m);
      if (this.#ending.over) return;
    }
    if (position) this.#on.position(position);
    if (leaving !== null) this.#ending.finish(ended('draining', 'The server is going away.', leaving));
    if (first) this.#up.open(this.#session);
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
