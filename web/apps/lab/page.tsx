import type { ReactElement } from 'react';
import { LinkCard } from '../ui/index.js';
import { scenarios } from './bench.js';

/** The way into the Lab. */
export default function Lab(): ReactElement {
  return (
    <div className="page lab">
      <header className="head">
        <h1>The Lab</h1>
        <p className="lead">Real-time, to be touched. Cut a connection, slow a network down, rewind a log, and watch what happens. Nothing here is staged: the traffic is simulated, but it goes through the same server as everything else, and every figure is measured while you look.</p>
      </header>
      <h2 className="unseen">Scenarios</h2>
      <div className="grid lab-doors">
        {scenarios.map((p, i) => (
          <LinkCard key={p.path} href={p.path} title={p.title.split(' – ')[0] ?? ''}>
            <p className="muted">{p.says}</p>
            <p className="eyebrow">{['Start here', 'Signals', 'Publications', 'The hard part'][i]}</p>
          </LinkCard>
        ))}
      </div>
      <section className="section lab-rules" aria-labelledby="rules">
        <h2 id="rules">The rules of the house</h2>
        <ul className="lab-house">
          <li><strong>You have a workspace.</strong> Its channels are yours alone. It expires an hour after you last looked, and you can reset it.</li>
          <li><strong>Traffic runs while you watch.</strong> Leave the page, or hide its tab, and a few seconds later the server is quiet.</li>
          <li><strong>A scenario has a permalink with a seed.</strong> The same seed brings the same messages in the same order, to whomever you send it.</li>
          <li><strong>The network is real.</strong> Between your page and the server stands a line for each client. It passes bytes on, counts them, and does to them what you ask for: a browser cannot tell it from a bad network.</li>
        </ul>
      </section>
    </div>
  );
}
