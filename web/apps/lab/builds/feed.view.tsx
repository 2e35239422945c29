import { type ReactElement, useEffect, useState } from 'react';
import { Badge, Button, Card, CodeBlock, Status, type Tone } from '../../ui/index.js';
import { type Given, Lesson } from '../bench.js';
import { channelOf, useWatch } from '../workspace.js';
import { type Build, buildsAfter, isBuild } from './feed.js';

const TONES: Readonly<Record<Build['status'], Tone>> = { running: 'note', passed: 'good', failed: 'bad' };

/** How many builds have a place. */
const SHOWN = 7;
const PLACES = Array.from({ length: SHOWN }, (_, i) => `place ${i}`);

const CODE = `const feed = new EventSource('/sse?channel=builds')
feed.onmessage = (event) => {
  const { data } = JSON.parse(event.data)
  show(data.build, data.status)
}`;

/** What a plain EventSource has heard. */
interface Heard {
  readonly builds: readonly Build[];
  readonly events: number;
  readonly opened: number;
  readonly open: boolean;
  /** Numbers that were left out; they have no gaps. */
  readonly gaps: number;
  readonly last: number | null;
}

const nothing: Heard = { builds: [], events: 0, opened: 0, open: false, gaps: 0, last: null };

function heardAfter(h: Heard, data: unknown): Heard {
  if (!isBuild(data)) return h;
  const gaps = h.last !== null && data.n > h.last + 1 ? h.gaps + data.n - h.last - 1 : h.gaps;
  return { ...h, events: h.events + 1, builds: buildsAfter(h.builds, data, SHOWN), gaps, last: data.n };
}

/** Builds, as a page without the SDK follows them. */
export function BuildFeed({ workspace, seed }: Given): ReactElement {
  const { api, visit } = workspace;
  const [heard, setHeard] = useState(nothing);
  const watch = useWatch(workspace, 'builds', seed, 0);
  const awake = watch.report !== null;

  useEffect(() => {
    if (!awake) return undefined;
    const url = `${api.through(visit.workspace, 'builds')}sse?channel=${encodeURIComponent(channelOf(workspace, 'builds', seed))}&token=${encodeURIComponent(visit.token)}`;
    const feed = new EventSource(url);
    feed.onopen = () => setHeard((h) => ({ ...h, open: true, opened: h.opened + 1 }));
    feed.onerror = () => setHeard((h) => ({ ...h, open: false }));
    feed.onmessage = (event: MessageEvent<string>) => {
      const publication = JSON.parse(event.data) as { readonly data: unknown };
      setHeard((h) => heardAfter(h, publication.data));
    };
    return () => feed.close();
  }, [api, visit, workspace, seed, awake]);

  return (
    <div className="lab-columns">
      <Card title="Builds, on a plain EventSource" level={2} actions={<><Status tone={heard.open ? 'good' : 'warn'} busy={!heard.open}>{heard.open ? 'open' : 'coming back'}</Status><Button size="small" icon="cut" onClick={() => void api.cut(visit.workspace, 'builds')}>Cut</Button></>}>
        <div className="stack" data-events={heard.events} data-opened={heard.opened} data-gaps={heard.gaps}>
          <ul className="builds" aria-label="Builds">
            {heard.builds.map((b) => (
              <li key={b.build}>
                <span className="mono">#{b.build}</span><span className="wrap">{b.branch} <span className="muted">{b.step}</span></span><Badge tone={TONES[b.status]}>{b.status}</Badge>
                <progress max={b.of} value={b.status === 'passed' ? b.of : b.done} aria-label={`Steps of build ${b.build}`} />
              </li>
            ))}
            {PLACES.slice(heard.builds.length).map((place) => <li key={place} aria-hidden="true"><span>{'\u00a0'}</span><span /><Badge tone="plain">…</Badge><progress max={1} value={0} /></li>)}
          </ul>
          <p className="muted small">{heard.events} events since you look; opened {heard.opened === 1 ? 'once' : `${heard.opened} times`}; {heard.gaps === 0 ? 'none was missed' : `${heard.gaps} were missed`}.</p>
        </div>
      </Card>
      <Lesson title="Without the SDK">
        <p>This feed knows nothing of Starling: it is the browser's own <code>EventSource</code>. Each event carries a position as its id. When the stream is cut, the browser opens it again and names the last id, and the server goes on from there.</p>
        <CodeBlock label="All of it" code={CODE} wrap />
      </Lesson>
    </div>
  );
}
