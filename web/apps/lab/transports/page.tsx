import type { ReactElement } from 'react';
import { Bench } from '../bench.js';
import { Instruments } from './instruments.js';

/** The same channel over WebSocket, SSE and long polling at once. */
export default function Transports(): ReactElement {
  return (
    <Bench path="lab/transports" title="Transports side by side" instruments={(given) => <Instruments {...given} />}>
      <p>Four clients follow one channel at the same time: one on each transport, and one that may choose. Each has a line of its own to the server, where its bytes are counted as they stand in TCP, and which you can cut, delay and block.</p>
    </Bench>
  );
}
