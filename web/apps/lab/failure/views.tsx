import type { ReactElement } from 'react';
import { Card, EmptyState, LogList, Notice, Stat, Table, type Tone } from '../../ui/index.js';
import { count, ms } from '../meter.js';
import { type Audit, type Cause, type Ledger, missing, type Outage } from './ledger.js';

const SHOWN = 300;

/** A place for each number, and what the log says. */
export function LedgerView({ ledger, audit, kept }: { readonly ledger: Ledger; readonly audit: Audit | null; readonly kept: number }): ReactElement {
  const gaps = missing(ledger);
  const { first, last } = ledger;
  const from = last === null ? 0 : Math.max(first ?? 0, last - SHOWN + 1);
  const cells = last === null ? [] : Array.from({ length: last - from + 1 }, (_, i) => from + i);
  const classOf = (n: number): string | undefined => {
    const times = ledger.seen.get(n) ?? 0;
    return times === 0 ? 'missing' : times > 1 ? 'doubled' : ledger.replayed.has(n) ? 'replayed' : undefined;
  };
  const replayed = ledger.outages.reduce((sum, o) => sum + o.replayed, 0);
  const good = gaps.length === 0 && ledger.doubled === 0 && ledger.disorder === 0;
  return (
    <Card title="The ledger" level={2} foot={<div className="ledger-key"><span><i />came live</span><span><i className="replayed" />came after an outage</span><span><i className="missing" />missing</span><span>the newest {SHOWN} numbers</span></div>}>
      <div className="stack" data-received={ledger.received} data-missing={gaps.length} data-doubled={ledger.doubled} data-disorder={ledger.disorder} data-replayed={replayed}
        data-resets={ledger.resets} data-in-log={audit?.inLog ?? ''} data-in-ledger={audit?.inLedger ?? ''} data-lost={audit?.lost ?? ''} data-invented={audit?.invented ?? ''}>
        <div className="lab-big">
          <Stat label="Came" value={count(ledger.received)} hint={first === null ? '\u00a0' : `numbers ${first} to ${last}`} />
          <Stat label="Missing" value={gaps.length} hint="of these numbers" />
          <Stat label="Doubled" value={ledger.doubled} hint={`${kept} kept back by the client`} />
          <Stat label="Out of order" value={ledger.disorder} hint="below one that was there" />
          <Stat label="Replayed" value={count(replayed)} hint={ledger.outages.length === 1 ? 'after one outage' : `after ${ledger.outages.length} outages`} />
        </div>
        <div className="ledger" role="img" aria-label={`The newest numbers: ${cells.length} places, ${cells.filter((n) => !ledger.seen.has(n)).length} of them empty`}>
          {cells.map((n) => <i key={n} className={classOf(n)} title={String(n)} />)}
        </div>
        <Proof good={good} gaps={gaps} audit={audit} />
      </div>
    </Card>
  );
}

function Proof({ good, gaps, audit }: { readonly good: boolean; readonly gaps: readonly number[]; readonly audit: Audit | null }): ReactElement {
  if (!good) return <Notice tone="bad">{gaps.length > 0 ? `Missing at this moment: ${gaps.slice(0, 12).join(', ')}${gaps.length > 12 ? ' …' : ''}.` : 'Something came twice or out of order.'}</Notice>;
  if (!audit) return <Notice tone="plain">The log has not been read for comparison yet.</Notice>;
  if (audit.lost + audit.invented > 0) return <Notice tone="bad">{`The log and the ledger differ: ${audit.lost} entries of the log have not come, ${audit.invented} that came are not in it.`}</Notice>;
  return <Notice tone="good">{`Nothing is missing and nothing is doubled. The log, read past all this, has ${count(audit.inLog)} entries for what came, and the ledger has the same ${count(audit.inLedger)}.${audit.complete ? '' : ' The oldest are not kept any more.'}`}</Notice>;
}

const CAUSES: Readonly<Record<Cause, string>> = { cut: 'the connection was cut', disconnect: 'the server ended the session', offline: 'offline', silent: 'silent', other: 'something else' };

const when = (time: number): string => new Date(time).toLocaleTimeString('en-GB');

/** Every time without a connection: how long, from where on, and what was replayed. */
export function Outages({ outages }: { readonly outages: readonly Outage[] }): ReactElement {
  return (
    <Table caption="Outages" rows={outages} keyOf={(o) => o.began} empty={<EmptyState title="The connection has not been lost yet" />} columns={[
      { key: 'when', title: 'When', cell: (o) => when(o.began) },
      { key: 'why', title: 'Why', cell: (o) => CAUSES[o.cause] },
      { key: 'long', title: 'Without a subscription', number: true, cell: (o) => (o.ended === null ? 'still' : ms(o.ended - o.began)) },
      { key: 'from', title: 'Stood at', cell: (o) => <code className="wrap">{o.from || '–'}</code> },
      { key: 'recovered', title: 'Went on there', cell: (o) => (o.recovered === null ? '–' : o.recovered ? 'yes' : 'no') },
      { key: 'replayed', title: 'Replayed', number: true, cell: (o) => count(o.replayed) },
    ]} />
  );
}

/** Something that happened. */
export interface Moment {
  readonly id: number;
  readonly at: number;
  readonly what: string;
  readonly why: string;
  readonly tone: Tone;
}

/** What happened, in its order. */
export function Timeline({ moments }: { readonly moments: readonly Moment[] }): ReactElement {
  return (
    <Card title="What happened" level={2} flush>
      <LogList label="What happened" className="lab-moments" items={moments} keyOf={(m) => m.id} empty={<EmptyState title="Nothing yet" />}
        render={(m) => <><time className="mono small muted" dateTime={new Date(m.at).toISOString()}>{when(m.at)}</time> <strong>{m.what}</strong> <span className="muted wrap">{m.why}</span></>} />
    </Card>
  );
}
