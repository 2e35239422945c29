import type { Client } from '@starling-rt/client';
import { type ReactElement, useCallback, useEffect, useReducer, useRef, useState } from 'react';
import { Button, Card, Segmented, Status, useToast, wordsOf } from '../../ui/index.js';
import type { Faults } from '../api.js';
import { type Given, Lesson, Traffic } from '../bench.js';
import { channelOf, clientOf, serverNow, useBatches, useClientState, useWatch } from '../workspace.js';
import { type Audit, audited, type Cause, ledgerAfter, type LedgerEvent, newLedger } from './ledger.js';
import { LedgerView, Outages, Timeline, type Moment } from './views.js';

const LINE = 'failure';
const LENGTHS = ['5', '20', '45'] as const;
type Length = (typeof LENGTHS)[number];

/** The number of a message; bursts have none. */
const numberOf = (data: unknown): number | null => (typeof data === 'object' && data !== null && 'n' in data && typeof data.n === 'number' ? data.n : null);

/** Where a client stands. */
interface Stand {
  readonly position: string;
  readonly offset: number;
  /** Where it stood first: from there on the log can be compared. */
  readonly first: string;
  /** Publications that came again and that the client kept to itself. */
  readonly kept: number;
}

export function Instruments({ workspace, seed }: Given): ReactElement {
  const { api, visit } = workspace;
  const watch = useWatch(workspace, 'failure', seed, 10);
  const [ledger, dispatch] = useReducer(ledgerAfter, newLedger);
  const [moments, note] = useReducer((all: readonly Moment[], m: Omit<Moment, 'id'>) => [...all, { ...m, id: (all.at(-1)?.id ?? 0) + 1 }].slice(-200), []);
  const [client, setClient] = useState<Client | null>(null);
  const [stand, setStand] = useState<Stand>({ position: '', offset: 0, first: '', kept: 0 });
  const [away, setAway] = useState<{ readonly what: string; readonly until: number } | null>(null);
  const [length, setLength] = useState<Length>('5');
  const session = useRef('');
  const cause = useRef<Cause>('other');
  const clock = useRef(watch.clock);
  clock.current = watch.clock;
  const take = useBatches<LedgerEvent>(dispatch);
  const known = watch.clock !== null;

  useEffect(() => {
    if (!known) return undefined;
    void api.faults(visit.workspace, LINE, {});
    const made = clientOf(workspace, LINE, {
      onFrame: ({ direction, text }) => {
        const found = direction === 'in' ? /"session":"([^"]+)"/.exec(text)?.[1] : undefined;
        if (found) session.current = found;
      },
    });
    const channel = made.channel(channelOf(workspace, 'failure', seed));
    const at = (): number => (clock.current ? serverNow(clock.current) : Date.now());
    let connected = false;
    made.on('state', (s) => {
      note({ at: Date.now(), what: wordsOf(s, Date.now()).word, why: wordsOf(s, Date.now()).why, tone: wordsOf(s, 0).tone });
      if (connected && s.name !== 'connected') {
        take({ type: 'lost', cause: cause.current, at: at(), position: channel.position });
        cause.current = 'other';
      }
      connected = s.name === 'connected';
    });
    channel.on('publication', (p) => take({ type: 'publication', id: p.id, n: numberOf(p.data), published: p.time }));
    channel.on('subscribed', ({ recovered, position }) => {
      take({ type: 'subscribed', at: at(), recovered });
      setStand((s) => (s.first ? s : { ...s, first: position }));
      if (recovered) note({ at: Date.now(), what: 'goes on where it stood', why: position, tone: 'good' });
    });
    channel.on('reset', ({ reason }) => {
      take({ type: 'reset' });
      note({ at: Date.now(), what: 'reset', why: reason, tone: 'bad' });
    });
    const timer = setInterval(() => setStand((s) => ({ ...s, position: channel.position, offset: channel.offset, kept: channel.duplicates })), 500);
    setClient(made);
    return () => {
      clearInterval(timer);
      made.disconnect();
    };
  }, [api, visit, workspace, seed, known, take]);

  const audit = useAudit(workspace, seed, stand.first, ledger);
  const toast = useToast();
  const act = useCallback((why: Cause, what: string, f: () => Promise<void>) => {
    cause.current = why;
    note({ at: Date.now(), what, why: '', tone: 'note' });
    f().catch((e: unknown) => toast({ tone: 'bad', text: e instanceof Error ? e.message : String(e) }));
  }, [toast]);
  const leave = (why: Cause, what: string, faults: Faults): void => {
    act(why, `${what} for ${length} s`, async () => {
      await api.faults(visit.workspace, LINE, faults);
      setAway({ what, until: Date.now() + Number(length) * 1000 });
    });
  };
  const left = useAway(away, useCallback(() => {
    setAway(null);
    note({ at: Date.now(), what: 'the network is back', why: '', tone: 'note' });
    void api.faults(visit.workspace, LINE, {});
  }, [api, visit.workspace]));

  const state = useClientState(client);
  const { tone, busy, word, why } = wordsOf(state, Date.now());
  return (
    <div className="stack loose">
      <Card title="The connection" level={2} actions={<Traffic watch={watch} unit="messages" />}>
        <div className="stack" data-state={state.name} data-offset={stand.offset}>
          <div className="row apart">
            <Status tone={tone} busy={busy}>{word}</Status>
            {(state.name === 'failed' || state.name === 'waiting') && <Button size="small" onClick={() => client?.connect()}>Connect now</Button>}
          </div>
          <p className="small muted lab-why" role="status">{away ? `${away.what}: ${left} s left` : why}</p>
          <div className="row lab-deeds">
            <Button icon="cut" onClick={() => act('cut', 'the connection is cut', () => api.cut(visit.workspace, LINE))}>Kill the connection</Button>
            <Button icon="close" disabled={state.name !== 'connected'} onClick={() => act('disconnect', 'the server ends the session', () => api.disconnect(visit.workspace, session.current))}>End the session on the server</Button>
            <Button icon="plus" onClick={() => act(cause.current, 'a burst of 100', () => api.burst(visit.workspace, 'failure', seed, 100))}>Publish a burst of 100</Button>
            <div className="row lab-away">
              <Segmented<Length> label="For how long" hideLabel value={length} onChange={setLength} options={LENGTHS.map((s) => ({ value: s, label: `${s} s` }))} />
              <Button icon="bolt" disabled={away !== null} onClick={() => leave('offline', 'offline', { down: true })}>Go offline</Button>
              <Button icon="pause" disabled={away !== null} onClick={() => leave('silent', 'silent', { silent: true })}>Go silent</Button>
            </div>
          </div>
        </div>
      </Card>
      <div className="lab-columns">
        <LedgerView ledger={ledger} audit={audit} kept={stand.kept} />
        <Lesson title="How nothing gets lost">
          <p>A client remembers one thing: its <em>position</em>. When it comes back, over whatever transport, it says where it stood, and the server sends what comes after, from the log, and then goes on live. There is no second path for what was missed.</p>
          <p>A session that the <em>server</em> ended says so (4109), and the client does not come back by itself: somebody meant it. Going silent is the worst a network does: nothing is refused, nothing arrives. A heartbeat finds that out, at the latest after 35 s.</p>
          <p className="wrap lab-position">Position now: <code data-testid="position">{stand.position || '–'}</code>, offset {stand.offset}</p>
        </Lesson>
      </div>
      <Outages outages={ledger.outages} />
      <Timeline moments={moments} />
    </div>
  );
}

/** Counts down until the network is back. */
function useAway(away: { readonly until: number } | null, back: () => void): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!away) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => {
      setNow(Date.now());
      if (Date.now() >= away.until) back();
    }, 200);
    return () => clearInterval(timer);
  }, [away, back]);
  return away ? Math.max(0, Math.ceil((away.until - now) / 1000)) : 0;
}

const AUDIT_EVERY = 3000; // ms

/** Reads the log past the line and all of its faults, and compares it with the ledger, again and again. */
function useAudit(workspace: Given['workspace'], seed: number, first: string, ledger: Parameters<typeof LedgerView>[0]['ledger']): Audit | null {
  const [audit, setAudit] = useState<Audit | null>(null);
  const newest = useRef(ledger);
  newest.current = ledger;
  useEffect(() => {
    if (!first) return undefined;
    const auditor = clientOf(workspace, null);
    const channel = auditor.channel(channelOf(workspace, 'failure', seed));
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const compare = async (): Promise<void> => {
      const { ids } = newest.current;
      const log: string[] = [];
      let complete = true;
      let since = first;
      let found = 0;
      for (let more = ids.size > 0; more && found < ids.size; ) {
        const page = await channel.history({ since, limit: 1000, signal: ending.signal });
        complete &&= page.complete;
        for (const p of page.publications) {
          if (found === ids.size) break; // what follows has come since
          log.push(p.id);
          if (ids.has(p.id)) found++;
        }
        since = page.position;
        more = page.more;
      }
      setAudit(audited(ids, log, complete));
    };
    const again = (): void => {
      compare().catch(() => {}).finally(() => { // the next one may get through
        if (!ending.signal.aborted) timer = setTimeout(again, AUDIT_EVERY);
      });
    };
    again();
    return () => {
      ending.abort();
      clearTimeout(timer);
      auditor.disconnect();
    };
  }, [workspace, seed, first]);
  return audit;
}
