import type { ConnectionState, TransportName } from '@starling-rt/client';
import { useConnection } from '@starling-rt/client/react';
import { type ReactElement, useEffect, useState } from 'react';
import type { Tone } from './classes.js';
import { Status } from './content.js';

/** What transports are called. */
export const transportNames: Readonly<Record<TransportName, string>> = { websocket: 'WebSocket', sse: 'SSE', poll: 'long polling' };

/** A connection in words: what it is, and why. */
export interface ConnectionWords {
  readonly tone: Tone;
  readonly busy: boolean;
  readonly word: string;
  readonly why: string;
}

/** Puts the state of a connection into words. `now` is for the seconds that it still waits. */
export function wordsOf(s: ConnectionState, now: number): ConnectionWords {
  const say = (tone: Tone, word: string, why = '', busy = false): ConnectionWords => ({ tone, busy, word, why });
  switch (s.name) {
    case 'idle':
      return say('plain', 'not connected');
    case 'disconnected':
      return say('plain', 'disconnected', s.reason === 'asked' ? 'It stays so until you connect.' : 'The page was put away.');
    case 'connecting':
      return say('note', s.transport ? `connecting over ${transportNames[s.transport]}` : 'asking for a token', s.reason?.message, true);
    case 'connected':
      return say('good', `live over ${transportNames[s.transport]}`);
    case 'failed':
      return say('bad', `refused: ${s.code}`, s.reason.message);
    case 'waiting': {
      const left = Math.max(0, Math.ceil((s.retryAt - now) / 1000));
      return say('warn', navigator.onLine ? `waiting ${left} s` : `offline, again in ${left} s`, s.reason.message);
    }
  }
}

/** What is said aloud of a state: once for each, for a countdown is not for the ears. */
function aloud(s: ConnectionState): string {
  switch (s.name) {
    case 'idle':
    case 'connecting':
      return '';
    case 'connected':
      return 'live';
    case 'waiting':
      return 'connection lost, waiting';
    case 'disconnected':
      return 'disconnected';
    case 'failed':
      return `refused: ${s.reason.message}`;
  }
}

/** The state of the connection of the nearest provider: a lamp with its word, and for ears each change once. */
export function ConnectionStatus({ short = false }: { readonly short?: boolean }): ReactElement {
  const { state } = useConnection();
  const [now, setNow] = useState(() => Date.now());
  const [said, setSaid] = useState('');
  useEffect(() => {
    const word = aloud(state);
    if (word) setSaid(word);
    if (state.name !== 'waiting') return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [state]);
  const { tone, busy, word } = wordsOf(state, now);
  return (
    <>
      <Status tone={tone} busy={busy}><span title={word}>{short ? word.replace(/ over .*/, '') : word}</span></Status>
      <span className="unseen" role="status">{said}</span>
    </>
  );
}
