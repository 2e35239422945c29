import type { ReactElement } from 'react';
import { Bench } from '../bench.js';
import { BuildFeed } from '../builds/feed.view.js';
import { Instruments } from './instruments.js';

/** A ticker for a client that is too slow for it, and a feed for one that has no SDK. */
export default function Ticker(): ReactElement {
  return (
    <Bench path="lab/ticker" title="A ticker, and a slow client" instruments={(given) => <div className="stack loose"><Instruments {...given} /><BuildFeed {...given} /></div>}>
      <p>Sixty prices change thousands of times a second. Make the way to this page narrow: what it shows stays current, because a price that has a newer one is not worth sending. Nobody waits for a slow client, and nothing is queued for it.</p>
    </Bench>
  );
}
