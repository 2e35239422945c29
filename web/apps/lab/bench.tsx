// What all scenarios have around them.

import { type ReactElement, type ReactNode, useEffect, useId, useState } from 'react';
import { Button, Card, CopyButton, Dialog, Notice, Skeleton, Status, ToastProvider, useToast } from '../ui/index.js';
import pages from '../pages.json';
import { count } from './meter.js';
import { type Entrance, onAddress, useEntrance, useNumbers, type Watch, type Workspace } from './workspace.js';

/** The scenarios, in the order in which they are best seen. */
export const scenarios = pages.filter((p) => p.path.startsWith('lab/'));

/** The way from one scenario to the others. */
function Ways({ here }: { readonly here: string }): ReactElement {
  return (
    <nav className="lab-ways" aria-label="Scenarios">
      <a href="../lab">The Lab</a>
      {scenarios.map((p) => <a key={p.path} href={`../${p.path}`} aria-current={p.path === here ? 'page' : undefined}>{p.title.split(' – ')[0]}</a>)}
    </nav>
  );
}

/** What a scenario is given when its page has a workspace. */
export interface Given {
  readonly workspace: Workspace;
  readonly seed: number;
}

/** A scenario: its title, what it is about, and, when there is a workspace, its instruments. */
export function Bench({ path, title, children, instruments }: {
  readonly path: string;
  readonly title: string;
  /** What one sees here, in a few sentences. */
  readonly children: ReactNode;
  readonly instruments: (given: Given) => ReactElement;
}): ReactElement {
  const entrance = useEntrance();
  const [{ seed }, setNumbers, read] = useNumbers({ seed: 1 });
  const ready = entrance.name === 'open' && read;
  return (
    <ToastProvider>
      <div className="page lab" data-workspace={ready ? entrance.workspace.visit.workspace : ''}>
        <Ways here={path} />
        <header className="lab-head">
          <h1>{title}</h1>
          <div className="lead stack tight">{children}</div>
          <Controls entrance={entrance} seed={seed} setSeed={(next) => setNumbers({ seed: next })} />
        </header>
        {entrance.name === 'failed' && <Notice tone="bad"><p>{entrance.message}</p><Button size="small" onClick={entrance.again}>Try again</Button></Notice>}
        {ready ? <Keyed key={`${entrance.workspace.visit.workspace} ${seed}`}>{instruments({ workspace: entrance.workspace, seed })}</Keyed> : entrance.name === 'opening' && <Opening />}
      </div>
    </ToastProvider>
  );
}

/** Another workspace or seed is another scenario, from the beginning. */
const Keyed = ({ children }: { readonly children: ReactNode }): ReactNode => children;

function Opening(): ReactElement {
  return <Card className="lab-opening"><div className="stack" aria-busy="true"><Skeleton width="40%" /><Skeleton height="12rem" /></div></Card>;
}

function Controls({ entrance, seed, setSeed }: { readonly entrance: Entrance; readonly seed: number; readonly setSeed: (seed: number) => void }): ReactElement {
  const [asking, setAsking] = useState(false);
  const [link, setLink] = useState('');
  const [busy, setBusy] = useState(false);
  const toast = useToast();
  useEffect(() => {
    const read = (): void => {
      const url = new URL(location.href);
      url.searchParams.set('seed', String(seed));
      setLink(url.href);
    };
    read();
    return onAddress(read);
  }, [seed]);
  const reset = async (): Promise<void> => {
    if (entrance.name !== 'open') return;
    setBusy(true);
    await entrance.workspace.reset().then(() => toast('You have a new, empty workspace.'), (e: unknown) => toast({ tone: 'bad', text: e instanceof Error ? e.message : String(e) }));
    setBusy(false);
    setAsking(false);
  };
  return (
    <div className="row lab-controls">
      <span className="row tight">Seed <output className="mono lab-seed" aria-label="Seed">{seed}</output><Button size="small" icon="reset" onClick={() => setSeed(1 + Math.floor(Math.random() * 9999))}>Another</Button></span>
      <span className="row tight">Permalink <CopyButton text={link} label="Copy the permalink" /></span>
      <Button size="small" look="quiet" icon="trash" disabled={entrance.name !== 'open'} onClick={() => setAsking(true)}>Reset workspace</Button>
      <Dialog open={asking} onClose={() => setAsking(false)} title="Reset your workspace?" actions={<><Button onClick={() => setAsking(false)}>Keep it</Button><Button look="danger" busy={busy} onClick={() => void reset()}>Reset</Button></>}>
        <p>Its channels and all that is in them are deleted, in all tabs. Nobody else has seen them. Under the same seed the same traffic comes again.</p>
      </Dialog>
    </div>
  );
}

/** Whether there is traffic, and why. */
export function Traffic({ watch, unit }: { readonly watch: Watch; readonly unit: string }): ReactElement {
  const { report, trouble } = watch;
  return (
    <span className="lab-traffic">
      {trouble ? <Status tone="bad">{trouble}</Status> : !report ? <Status tone="note" busy>waking the traffic</Status> : <Status tone="good">{count(report.made)} {unit}, while you watch</Status>}
    </span>
  );
}

/** A short text beside the instruments. */
export function Lesson({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactElement {
  const id = useId();
  return <section className="lab-lesson" aria-labelledby={id}><h2 id={id}>{title}</h2>{children}</section>;
}
