import type { ReactElement } from 'react';
import { Bench } from '../bench.js';
import { Instruments } from './instruments.js';

/** A channel as a log. */
export default function Log(): ReactElement {
  return (
    <Bench path="lab/log" title="A channel is a log" instruments={(given) => <Instruments {...given} />}>
      <p>What was published stays, in order, with who and when. A state is what the log folds to; an earlier state is a fold that stops earlier. So undo needs no deletion: it appends that something does not count.</p>
    </Bench>
  );
}
