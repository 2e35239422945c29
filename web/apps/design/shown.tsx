import { type ReactElement, useState } from 'react';
import { Badge, binned, Button, Card, CodeBlock, EmptyState, Histogram, LinkCard, LogList, Notice, Skeleton, Sparkline, Stat, Status, Table } from '../ui/index.js';
import { Part, Specimen } from './page.js';

// Made up, and always the same, so that the gallery looks the same each time.
const LATENCIES = Array.from({ length: 120 }, (_, i) => 2.4 + Math.abs(Math.sin(i * 1.7) * Math.cos(i * 0.31)) * 9 + (i % 29 === 0 ? 14 : 0));
const EDGES = Array.from({ length: 24 }, (_, i) => i);
const TRANSPORTS = [
  { name: 'WebSocket', requests: 1, bytes: 182, median: 2.1 },
  { name: 'Server-Sent Events', requests: 2, bytes: 214, median: 2.4 },
  { name: 'Long polling', requests: 118, bytes: 1204, median: 6.8 },
];

const CODE = `import { createClient } from '/sdk/starling.js';

const chat = createClient().channel('chat');
chat.on('publication', (p) => console.log(p.data)); // in order, once
await chat.publish({ text: 'hello' });`;

function Log(): ReactElement {
  const [lines, setLines] = useState(() => Array.from({ length: 12 }, (_, i) => i + 1));
  const next = (n: number): void => setLines((all) => [...all, ...Array.from({ length: n }, (_, i) => (all.at(-1) ?? 0) + i + 1)].slice(-200));
  return (
    <Card title="A channel" flush actions={<><Button size="small" onClick={() => next(1)}>Add one</Button><Button size="small" onClick={() => next(20)}>Add twenty</Button><Button size="small" look="quiet" onClick={() => setLines([])}>Clear</Button></>}>
      <LogList
        label="Publications" className="gallery-log" items={lines} keyOf={(n) => n}
        render={(n) => <span className="row tight"><code className="figures">{n}</code> the publication with offset {n}</span>}
        empty={<EmptyState title="Nothing has been published yet." flock><p>Add one, and it stands here.</p></EmptyState>}
      />
    </Card>
  );
}

function Figures(): ReactElement {
  return (
    <>
      <Specimen name="Stat, Sparkline, Histogram">
        <div className="specimens">
          <Card><Stat label="Round trip" value="4.2" unit="ms" hint="median of the last 120"><Sparkline label="Round trips" unit=" ms" values={LATENCIES} /></Stat></Card>
          <Card><Stat label="Received" value={null} hint="nothing yet"><Sparkline label="Received" values={[]} /></Stat></Card>
          <Card title="Latency"><Histogram label="Latency" unit=" ms" bins={binned(LATENCIES, EDGES)} mark={4.2} height={84} /></Card>
        </div>
      </Specimen>
      <Specimen name="Table">
        <Table
          caption="One message, three transports" rows={TRANSPORTS} keyOf={(r) => r.name}
          columns={[
            { key: 'name', title: 'Transport', cell: (r) => r.name },
            { key: 'requests', title: 'Requests', number: true, cell: (r) => r.requests },
            { key: 'bytes', title: 'Bytes a message', number: true, cell: (r) => r.bytes },
            { key: 'median', title: 'Median', number: true, cell: (r) => `${r.median} ms` },
          ]}
        />
      </Specimen>
    </>
  );
}

/** What shows something. */
export function Shown(): ReactElement {
  return (
    <Part id="content" title="Content" says="Numbers with a text beside every picture, and lists that stand still while they grow.">
      <Specimen name="Badge, Status">
        <div className="row"><Badge>new</Badge><Badge tone="plain">12</Badge><Badge tone="good">stored</Badge><Badge tone="warn">waiting</Badge><Badge tone="bad">refused</Badge><Badge tone="note">signal</Badge></div>
        <div className="row"><Status tone="good">live over WebSocket</Status><Status tone="note" busy>connecting</Status><Status tone="warn">waiting 4 s</Status><Status tone="bad">refused: 4101</Status><Status tone="plain">disconnected</Status></div>
      </Specimen>
      <Specimen name="Notice">
        <div className="stack tight"><Notice>Signals are not stored: who comes later sees the newest value of each key.</Notice><Notice tone="good">Nothing was missed.</Notice><Notice tone="warn">Publications were missed here: the server no longer keeps them.</Notice><Notice tone="bad">The token does not grant this.</Notice></div>
      </Specimen>
      <Specimen name="Card, LinkCard">
        <div className="specimens">
          <Card title="A card" actions={<Badge tone="good">live</Badge>} foot="What stands below.">What stands in it.</Card>
          <LinkCard href="#content" title="A card that is a link"><p className="muted">All of it is pressed at once.</p></LinkCard>
        </div>
      </Specimen>
      <Figures />
      <Specimen name="CodeBlock"><CodeBlock label="From a page" code={CODE} /></Specimen>
      <Specimen name="LogList, EmptyState"><Log /></Specimen>
      <Specimen name="Skeleton"><Card><div className="stack tight"><Skeleton width="40%" height="1.4em" /><Skeleton /><Skeleton width="85%" /></div></Card></Specimen>
    </Part>
  );
}
