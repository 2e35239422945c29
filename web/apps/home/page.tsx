import type { ReactElement } from 'react';
import pages from '../pages.json';
import { LinkCard } from '../ui/index.js';

/** The first page: what Starling is, and the way to everything that shows it. */
export default function Home(): ReactElement {
  return (
    <div className="page">
      <header className="head">
        <h1>Every window, the same moment.</h1>
        <p className="lead">Starling is a real-time server for web applications: one binary, three transports, and a log on disk, so that nothing is lost and nothing comes twice.</p>
      </header>
      <div className="grid">
        {pages.filter((p) => p.path && p.name).map((p) => <LinkCard key={p.path} href={p.path} title={p.name ?? ''}><p className="muted">{p.says}</p></LinkCard>)}
      </div>
    </div>
  );
}
