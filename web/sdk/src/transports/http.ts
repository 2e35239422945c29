// What the transports over HTTP have in common.

import { type Fields, parseObject, refusalFrom, refusalOf } from '../protocol.js';
import { address, endOf, ended, type Environment, type Listener, type Place } from '../wire.js';

/** @internal Asks a door of the server. */
export function ask(door: string, query: Readonly<Record<string, string | readonly string[]>>, { base, token }: Place, on: Listener, env: Environment, signal: AbortSignal): Promise<Response> {
  const url = address(base, door, query);
  on.frame('out', 'GET', url);
  const headers = { ...(door === 'sse' && { Accept: 'text/event-stream' }), ...(token && { Authorization: `Bearer ${token}` }) };
  return env.fetch(url, { headers, cache: 'no-store', signal });
}

/** @internal Reads what an answer says. One that is not what was hoped for is the end: null. */
export async function read(response: Response, on: Listener, opened: boolean): Promise<Fields | null> {
  const { headers, ok, status } = response;
  const text = await response.text().catch(() => '');
  const error = headers.get('Starling-Error');
  on.heard();
  on.frame('in', ok ? 'answer' : `answer ${status}`, error ?? text.trim());
  const answer = parseObject(text);
  const [, code, reason = ''] = /^(\d+) (.*)$/s.exec(error ?? '') ?? [];
  const refusal = code ? refusalFrom(Number(code), reason) : refusalOf(answer?.error);
  if (answer && ok && !refusal) return answer;
  const seconds = Number(headers.get('Retry-After') ?? Number.NaN);
  const after = seconds >= 0 ? seconds * 1000 : undefined;
  on.end(refusal ? endOf(refusal, after) : ended(opened ? 'lost' : 'unreachable', `The server answered with ${status}.`, after));
  return null;
}
