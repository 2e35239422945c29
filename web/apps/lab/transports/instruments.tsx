import type { Client, TransportName } from '@starling-rt/client';
import { type ReactElement, useCallback, useEffect, useReducer, useRef, useState } from 'react';
import { Button, Card, Notice, Slider, Switch } from '../../ui/index.js';
import type { Faults } from '../api.js';
import { type Given, Lesson, Traffic } from '../bench.js';
import { channelOf, clientOf, serverNow, useBatches, useNumbers, useWatch } from '../workspace.js';
import { LineCard } from './card.js';
import { figuresOf, type LineEvent, type LineName, type LineState, lineAfter, newLine } from './lines.js';
import { verdictOf } from './verdict.js';

const LADDERS: Readonly<Record<LineName, readonly TransportName[]>> = { websocket: ['websocket'], sse: ['sse'], poll: ['poll'], auto: ['websocket', 'sse', 'poll'] };
const LINES: readonly LineName[] = ['websocket', 'sse', 'poll', 'auto'];

type Lines = Readonly<Record<LineName, LineState>>;
type Clients = Readonly<Record<LineName, Client>>;

const after = (lines: Lines, { line, event }: { readonly line: LineName; readonly event: LineEvent }): Lines => ({ ...lines, [line]: lineAfter(lines[line], event) });
const nothing: Lines = { websocket: newLine, sse: newLine, poll: newLine, auto: newLine };
const whole: Readonly<Record<LineName, Faults>> = { websocket: {}, sse: {}, poll: {}, auto: {} };

/** What a proxy does that knows no WebSockets, and perhaps passes on only what is complete. */
const proxy = (streams: boolean): Faults => ({ noUpgrade: true, holdStreams: streams });

type Proxy = 'none' | 'upgrade' | 'streams';

/** The four lines, and what can be done to them. */
export function Instruments({ workspace, seed }: Given): ReactElement {
  const { api, visit } = workspace;
  const [{ rate }, setNumbers] = useNumbers({ rate: 10 });
  const [lines, dispatch] = useReducer(after, nothing);
  const [faults, setFaults] = useState(whole);
  const [proxied, setProxied] = useState<Proxy>('none');
  const [clients, setClients] = useState<Clients | null>(null);
  const watch = useWatch(workspace, 'transports', seed, rate, (report) => {
    for (const line of LINES) {
      const meter = report.lines[line];
      if (meter) dispatch({ line, event: { type: 'meter', meter } });
    }
  });
  const clock = useRef(watch.clock);
  clock.current = watch.clock;
  const take = useBatches<{ readonly line: LineName; readonly latency: number }>((batch) => {
    for (const line of LINES) {
      const latencies = batch.filter((b) => b.line === line).map((b) => b.latency);
      if (latencies.length > 0) dispatch({ line, event: { type: 'messages', latencies } });
    }
  });
  const known = watch.clock !== null;

  useEffect(() => {
    if (!known) return undefined; // without a clock there are no latencies
    const name = channelOf(workspace, 'transports', seed);
    const make = (line: LineName): Client => {
      const client = clientOf(workspace, line, { transports: LADDERS[line] });
      client.channel(name).on('publication', (p) => {
        if (clock.current) take({ line, latency: serverNow(clock.current) - p.time });
      });
      client.on('state', (s) => dispatch({ line, event: { type: 'state', connected: s.name === 'connected' } }));
      return client;
    };
    const made: Clients = { websocket: make('websocket'), sse: make('sse'), poll: make('poll'), auto: make('auto') };
    setClients(made);
    return () => {
      for (const line of LINES) made[line].disconnect();
    };
  }, [workspace, seed, known, take]);

  // Whoever was here before may have left the lines as they were.
  useEffect(() => {
    for (const line of LINES) void api.faults(visit.workspace, line, {});
  }, [api, visit.workspace]);

  const change = useCallback(async (line: LineName, next: Faults, cut: boolean) => {
    setFaults((all) => ({ ...all, [line]: next }));
    await api.faults(visit.workspace, line, next);
    if (cut) await api.cut(visit.workspace, line);
    dispatch({ line, event: { type: 'anew' } });
  }, [api, visit.workspace]);
  const standBetween = (next: Proxy): void => {
    setProxied(next);
    for (const line of LINES) {
      const { noUpgrade: _, holdStreams: __, ...rest } = faults[line];
      void change(line, next === 'none' ? rest : { ...rest, ...proxy(next === 'streams') }, true);
    }
  };
  const figures = { websocket: figuresOf(lines.websocket), sse: figuresOf(lines.sse), poll: figuresOf(lines.poll), auto: figuresOf(lines.auto) };

  return (
    <div className="stack loose">
      <Card title="The traffic and the network" level={2} actions={<Traffic watch={watch} unit="messages" />}>
        <div className="lab-panel">
          <Slider label="Messages a second" min={1} max={20} value={Math.min(20, Math.max(1, rate))} onChange={(v) => setNumbers({ rate: v })} />
          <div className="stack tight">
            <Switch label="A corporate proxy that knows no WebSockets" checked={proxied !== 'none'} onChange={(on) => standBetween(on ? 'upgrade' : 'none')} />
            <Switch label="… and passes on only what is complete" checked={proxied === 'streams'} disabled={proxied === 'none'} onChange={(on) => standBetween(on ? 'streams' : 'upgrade')} />
          </div>
          <div className="row">
            <Button icon="bolt" onClick={() => void api.burst(visit.workspace, 'transports', seed, 100)}>Send a burst of 100</Button>
            <Button icon="reset" look="quiet" onClick={() => {
              for (const line of LINES) dispatch({ line, event: { type: 'anew' } });
            }}>Measure anew</Button>
          </div>
        </div>
      </Card>
      <div className="lab-lines">
        {LINES.map((line) => (
          <LineCard key={line} line={line} client={clients?.[line] ?? null} figures={figures[line]} latencies={lines[line].latencies} faults={faults[line]}
            cut={() => void api.cut(visit.workspace, line)} change={(next, cut) => void change(line, next, cut)} />
        ))}
      </div>
      <div className="lab-columns">
        <Judgement figures={figures} error={watch.clock?.error} />
        <Lesson title="What is measured">
          <p><strong>Latency</strong> is from the server's stamp on a message to the moment this page's code has it. The two clocks are compared with each report; the quickest answer bounds the error.</p>
          <p><strong>Bytes</strong> are those on the line, both ways: heads of HTTP, frames, compression and all. What it cost to open the line is told apart.</p>
          <p>After a cut, clients come back by themselves. What they missed comes then, and counts with the time that it took.</p>
        </Lesson>
      </div>
    </div>
  );
}

function Judgement({ figures, error }: { readonly figures: Parameters<typeof verdictOf>[0]; readonly error: number | undefined }): ReactElement {
  const verdict = verdictOf(figures);
  return (
    <Card title="The verdict, from what was just measured" level={2} className="lab-verdict" foot={error === undefined ? 'The clocks are being compared.' : `The clocks of this page and the server agree within ${error < 0.1 ? '0.1' : error.toFixed(1)} ms.`}>
      {verdict.name === 'measuring'
        ? <p className="muted">Measuring: {Math.min(verdict.have, verdict.need)} of {verdict.need} messages on each line.</p>
        : <div className="stack tight">{verdict.points.map((p) => <Notice key={p.text.slice(0, 24)} tone={p.tone}>{p.text}</Notice>)}</div>}
    </Card>
  );
}
