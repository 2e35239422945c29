import type { Client } from '@starling-rt/client';
import { type ReactElement, useEffect, useState } from 'react';
import { binned, Button, Card, Histogram, Slider, Stat, Status, Switch, transportNames, wordsOf } from '../../ui/index.js';
import type { Faults } from '../api.js';
import { bytes, ms } from '../meter.js';
import { useClientState } from '../workspace.js';
import type { Figures, LineName } from './lines.js';

const EDGES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

const ABOUT: Readonly<Record<LineName, string>> = {
  websocket: 'One connection, both ways.',
  sse: 'A response that does not end; what the page says goes by POST.',
  poll: 'Requests that wait for news; each answer ends.',
  auto: 'Tries WebSocket, then the others, and returns when it can.',
};

/** How a line is blocked: as a network does that does not like its transport. */
const BLOCKS: Readonly<Record<LineName, { readonly label: string; readonly fault: 'noUpgrade' | 'holdStreams' | 'down' }>> = {
  websocket: { label: 'Take the upgrade out', fault: 'noUpgrade' },
  sse: { label: 'Hold the stream back', fault: 'holdStreams' },
  poll: { label: 'Refuse requests', fault: 'down' },
  auto: { label: 'Take the upgrade out', fault: 'noUpgrade' },
};

/** A line: its state, what was measured, and what can be done to it. */
export function LineCard({ line, client, figures, latencies, faults, cut, change }: {
  readonly line: LineName;
  readonly client: Client | null;
  readonly figures: Figures;
  readonly latencies: readonly number[];
  readonly faults: Faults;
  cut(): void;
  change(next: Faults, cut: boolean): void;
}): ReactElement {
  const state = useClientState(client);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (state.name !== 'waiting') return undefined;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [state]);
  const { tone, busy, word } = wordsOf(state, now);
  const name = line === 'auto' ? 'What the client chooses' : transportNames[line] === 'long polling' ? 'Long polling' : transportNames[line];
  const block = BLOCKS[line];
  const time = (v: number | undefined): string | null => (v === undefined ? null : ms(Math.max(0, v)));
  return (
    <Card title={name} level={2} className="lab-line" foot={ABOUT[line]}>
      <div className="stack" data-line={line} data-state={state.name} data-transport={'transport' in state ? (state.transport ?? '') : ''} data-messages={figures.messages} data-half={figures.p50 ?? ''} data-back={figures.reconnects} data-bytes={figures.bytes ?? ''} data-requests={figures.requests ?? ''}>
        <Status tone={tone} busy={busy}>{word}</Status>
        <Histogram label={`Latencies over ${name}`} bins={binned(latencies.map((v) => Math.max(0, v)), EDGES)} unit=" ms" height={72} mark={figures.p50 === undefined ? undefined : Math.max(0, figures.p50)} />
        <div className="lab-figures">
          <Stat label="Half within" value={time(figures.p50)} />
          <Stat label="95 of 100" value={time(figures.p95)} />
          <Stat label="99 of 100" value={time(figures.p99)} />
          <Stat label="Bytes a message" value={figures.bytes === undefined ? null : bytes(figures.bytes)} />
          <Stat label="Requests a message" value={figures.requests === undefined ? null : figures.requests === 0 ? 'none' : figures.requests.toFixed(2)} />
          <Stat label="Came back" value={figures.reconnects} />
        </div>
        <p className="small muted">To open, and for the first message: {figures.opening === undefined ? '–' : bytes(figures.opening)}</p>
        <div className="stack tight">
          <Slider label="Delay, each way" min={0} max={1000} step={50} value={faults.delay ?? 0} format={(v) => `${v} ms`} onChange={(delay) => change({ ...faults, delay }, false)} />
          <div className="row apart">
            <Switch label={block.label} checked={faults[block.fault] ?? false} onChange={(on) => change({ ...faults, [block.fault]: on }, on)} />
            <Button size="small" icon="cut" onClick={cut}>Cut</Button>
          </div>
        </div>
      </div>
    </Card>
  );
}
