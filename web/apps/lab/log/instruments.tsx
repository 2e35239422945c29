import type { Client } from '@starling-rt/client';
import { type ReactElement, useCallback, useEffect, useMemo, useReducer, useState } from 'react';
import { Button, Card, Field, IconButton, Segmented, Select, Slider, useToast } from '../../ui/index.js';
import { type Given, Lesson, Traffic } from '../bench.js';
import { channelOf, clientOf, useBatches, useWatch } from '../workspace.js';
import { type BoardEvent, foldBoard, stepsOf } from './board.js';
import { BoardView } from './board.view.js';
import { type Entry, entryOf, merged, replayWait } from './entries.js';
import { LogView } from './trail.view.js';

const MOST = 2000; // entries that are read back
const SPEEDS = ['1', '4', '16'] as const;
type Speed = (typeof SPEEDS)[number];

/** Reads a channel back to its beginning, and follows it. */
function useLog(client: Client | null, name: string): { readonly entries: readonly Entry[]; readonly whole: boolean | null; readonly error: string } {
  const [entries, add] = useReducer((all: readonly Entry[], more: readonly Entry[] | 'none') => (more === 'none' ? [] : merged(all, more)), []);
  const [whole, setWhole] = useState<boolean | null>(null);
  const [error, setError] = useState('');
  const take = useBatches<Entry>(add);
  useEffect(() => {
    if (!client) return undefined;
    const ending = new AbortController();
    const channel = client.channel(name);
    const read = async (): Promise<void> => {
      let before: string | undefined;
      for (let n = 0; n < MOST && !ending.signal.aborted; ) {
        const page = await channel.history({ ...(before === undefined ? { newest: true } : { before }), limit: 200, signal: ending.signal });
        add(page.publications.map(entryOf));
        n += page.publications.length;
        before = page.position;
        if (!page.more) {
          setWhole(page.complete);
          return;
        }
      }
      setWhole(false);
    };
    const offs = [
      channel.on('publication', (p) => take(entryOf(p))),
      channel.on('subscribed', () => {
        read().catch((e: unknown) => {
          if (!ending.signal.aborted) setError(e instanceof Error ? e.message : String(e));
        });
      }),
      channel.on('error', (e) => setError(e.message)),
    ];
    return () => {
      ending.abort();
      for (const off of offs) off();
      add('none');
      setWhole(null);
    };
  }, [client, name, take]);
  return { entries, whole, error };
}

/** Where in a log one stands: at an entry, or with its end. */
type Place = number | 'end';

export function Instruments({ workspace, seed }: Given): ReactElement {
  const { visit } = workspace;
  const board = channelOf(workspace, 'board', seed);
  const watch = useWatch(workspace, 'board', seed, 0);
  const [name, setName] = useState(visit.name);
  const [channel, setChannel] = useState(board);
  const [client, setClient] = useState<Client | null>(null);
  useEffect(() => {
    const made = clientOf(workspace, null, {}, name);
    setClient(made);
    return () => made.disconnect();
  }, [workspace, name]);
  const { entries, whole, error } = useLog(client, channel);
  const [place, setPlace] = useState<Place>('end');
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<Speed>('4');
  const at = place === 'end' ? entries.length : Math.min(place, entries.length);

  useEffect(() => {
    if (!playing) return undefined;
    if (at >= entries.length) {
      setPlaying(false);
      setPlace('end');
      return undefined;
    }
    const timer = setTimeout(() => setPlace(at + 1), Math.max(40, replayWait(entries, at, Number(speed))));
    return () => clearTimeout(timer);
  }, [playing, at, entries, speed]);

  const toast = useToast();
  const append = useCallback((event: BoardEvent) => {
    setPlace('end');
    client?.channel<BoardEvent>(board).publish(event).catch((e: unknown) => toast({ tone: 'bad', text: e instanceof Error ? e.message : String(e) }));
  }, [client, board, toast]);
  const isBoard = channel === board;
  const past = useMemo(() => entries.slice(0, at), [entries, at]);
  const folded = useMemo(() => foldBoard(past), [past]);
  const whatWas = useMemo(() => foldBoard(entries), [entries]);
  const steps = useMemo(() => stepsOf(entries, name), [entries, name]);
  const channels = [...new Set([board, ...(watch.report?.channels ?? [])])].sort();

  return (
    <div className="stack loose">
      <Card title="The log and where you stand in it" level={2} actions={<Traffic watch={watch} unit="changes" />}>
        <div className="stack" data-entries={entries.length} data-at={at}>
          <div className="lab-panel">
            <Field label="Channel"><Select value={channel} onChange={(c) => { setChannel(c); setPlace('end'); setPlaying(false); }} options={channels.map((c) => ({ value: c, label: c.split(':')[2] ?? c }))} /></Field>
            <Segmented<Speed> label="Speed of the replay" value={speed} onChange={setSpeed} options={SPEEDS.map((s) => ({ value: s, label: `${s}×` }))} />
            <div className="row tight">
              <Button icon={playing ? 'pause' : 'play'} look="strong" disabled={entries.length === 0} onClick={() => {
                if (!playing && at === entries.length) setPlace(0);
                setPlaying(!playing);
              }}>{playing ? 'Pause' : 'Replay'}</Button>
              <IconButton label="One entry back" icon="arrow" className="lab-back" disabled={at === 0} onClick={() => { setPlaying(false); setPlace(at - 1); }} />
              <IconButton label="One entry on" icon="arrow" disabled={at >= entries.length} onClick={() => { setPlaying(false); setPlace(at + 1 >= entries.length ? 'end' : at + 1); }} />
            </div>
          </div>
          <Slider label="Folded up to entry" min={0} max={entries.length} value={at} format={(v) => (v === entries.length ? `${v}, the end` : `${v} of ${entries.length}`)}
            onChange={(v) => { setPlaying(false); setPlace(v >= entries.length ? 'end' : v); }} />
          {error && <p className="trouble" role="alert">{error}</p>}
        </div>
      </Card>
      <div className="lab-columns wide">
        <Card title={isBoard ? 'The board, folded' : 'The fold'} level={2} actions={isBoard && (
          <div className="row tight">
            <Segmented label="Act as" hideLabel value={name} onChange={setName} options={visit.names.map((n) => ({ value: n, label: n }))} />
            <Button size="small" disabled={!steps.undo} onClick={() => steps.undo && append({ type: 'undo', event: steps.undo })}>Undo</Button>
            <Button size="small" disabled={!steps.redo} onClick={() => steps.redo && append({ type: 'redo', event: steps.redo })}>Redo</Button>
          </div>
        )}>
          {isBoard ? <BoardView board={folded} past={at < entries.length} append={append} /> : <Plain entries={past} />}
        </Card>
        <Card title="The trail: who, when, what" level={2} flush foot={whole === null ? 'Reading …' : whole ? 'All of it, from the first entry on.' : 'Without the oldest entries.'}>
          <LogView entries={entries} at={at} effects={whatWas.effects} board={isBoard} go={(n) => { setPlaying(false); setPlace(n >= entries.length ? 'end' : n); }}
            append={append} />
        </Card>
      </div>
      <Lesson title="Why it is like this">
        <p>A channel keeps its publications in one order, and who joins later reads the same. So the board needs no store of its own: the page that you see has read the channel's history and folded it, and every other page that does so comes to the same board.</p>
        <p>Undo appends an entry that names another by its id, which is stable. The trail stays whole: it shows what was done, that it was undone, and by whom. Name and time are the server's word, not the page's: the name comes with the token.</p>
      </Lesson>
    </div>
  );
}

/** What any log folds to: how much there is, by whom, and what was last. */
function Plain({ entries }: { readonly entries: readonly Entry[] }): ReactElement {
  const users = new Map<string, number>();
  for (const e of entries) users.set(e.user || 'nobody', (users.get(e.user || 'nobody') ?? 0) + 1);
  const last = entries.at(-1);
  return (
    <div className="stack tight">
      <p>{entries.length} entries: {[...users].map(([user, n]) => `${n} by ${user}`).join(', ') || 'none yet'}.</p>
      {last && <pre className="wrap small">{JSON.stringify(last.data, null, 2)}</pre>}
      <p className="muted small">This channel has no domain of its own here, so it folds to its counts and its last entry. Signals are not stored: a channel that has only those is empty.</p>
    </div>
  );
}
