import type { ReactElement } from 'react';
import { Bench } from '../bench.js';
import { Instruments } from './instruments.js';

/** What happens when the connection dies. */
export default function Failure(): ReactElement {
  return (
    <Bench path="lab/failure" title="When it fails" instruments={(given) => <Instruments {...given} />}>
      <p>Ten messages a second come, numbered without gaps. Do the worst to the connection, and look at the ledger: it has a place for each number, and the log itself to compare with.</p>
    </Bench>
  );
}
