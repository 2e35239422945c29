import { type MouseEvent, type ReactElement, useCallback, useEffect, useState } from 'react';
import pages from '../pages.json';
import { ButtonLink, LinkCard, serverURL } from '../ui/index.js';
import { Live } from './live.js';
import { type Choice, Room } from './room.js';
import { Sky } from './sky.js';
import { Ways } from './ways.js';

const CHOICES: readonly Choice[] = ['auto', 'websocket', 'sse', 'poll'];
const nobody = (): [] => [];

/** The room of this window, once there is a window; null where the page is built. */
function useRoom(): Room | null {
  const [room, setRoom] = useState<Room | null>(null);
  useEffect(() => {
    const query = new URLSearchParams(location.search);
    const r = new Room(query.get('channel') || 'chat', CHOICES.find((c) => c === query.get('transport')) ?? 'auto');
    r.open();
    setRoom(r);
    return () => r.close();
  }, []);
  return room;
}

/** The address of this page with what this window follows, and how. */
function useHere(room: Room | null): string {
  const [here, setHere] = useState('./');
  useEffect(() => {
    if (!room) return undefined;
    const note = (): void => {
      const url = new URL(location.href);
      url.searchParams.set('transport', room.read().choice);
      history.replaceState(null, '', url);
      setHere(url.href);
    };
    let chosen = room.read().choice;
    if (location.search) setHere(location.href);
    return room.subscribe(() => {
      if (room.read().choice === chosen) return;
      chosen = room.read().choice;
      note();
    });
  }, [room]);
  return here;
}

/** Opens the same page beside this one if the browser lets us; otherwise the link does what links do. */
function openBeside(e: MouseEvent<HTMLAnchorElement>): void {
  if (e.metaKey || e.ctrlKey || e.shiftKey) return;
  const width = Math.min(760, Math.round(screen.availWidth / 2));
  window.open(e.currentTarget.href, '_blank', `noopener,width=${width},height=${Math.min(900, screen.availHeight)}`);
  e.preventDefault();
}

const STEPS = [
  ['Open a second window', 'Or another browser: every window is a visitor of its own.'],
  ['Write in one', 'It stands in the other, over whichever transport each has chosen. Move, and the flock follows you in both.'],
  ['Kill the server', 'kill -9, no less. Write on meanwhile: what you write waits here.'],
  ['Start it again', 'Everything goes out and comes in, in one order. Nothing is lost, and nothing stands there twice.'],
] as const;

function Hero(): ReactElement {
  const room = useRoom();
  const here = useHere(room);
  const point = useCallback((x: number, y: number) => room?.point(x, y), [room]);
  return (
    <div className="hero">
      <Sky visitors={room?.visitors ?? nobody} onPoint={point} />
      <div className="page hero-in">
        <div className="hero-text">
          <h1>Every window, the same moment.</h1>
          <p className="lead">Starling is a real-time server for web applications. Channels are ordered logs on disk; browsers follow them over WebSocket, Server-Sent Events or long polling, and whoever was away gets the rest.</p>
          <div className="row">
            <ButtonLink look="beak" size="large" icon="window" href={here} target="_blank" rel="noopener" onClick={openBeside}>Open a second window</ButtonLink>
            <ButtonLink size="large" href="playground">Look under the hood</ButtonLink>
          </div>
        </div>
        <Live room={room} />
        <ol className="steps">
          {STEPS.map(([title, says]) => <li key={title}><strong>{title}.</strong> <span>{says}</span></li>)}
        </ol>
      </div>
    </div>
  );
}

const IDEAS = [
  ['A channel is a log', 'Publishing appends, and is acknowledged when it is on disk. There is one order, and every subscriber sees it: on this node, on another, now or later.'],
  ['A subscriber is a position', 'Nothing is queued for anybody. Who is slow or away costs the server a few bytes, and catches up by asking what comes after the place where it stands.'],
  ['The transport does not matter', 'A WebSocket where there is one, Server-Sent Events where a proxy is in the way, long polling where nothing else passes. Changing between them loses nothing.'],
  ['One binary', 'With the store on board, or a Go library in a program of your own. Several nodes share NATS JetStream when one machine is not enough.'],
] as const;

/** The first page: what Starling is, live, and the way to everything that shows it. */
export default function Home(): ReactElement {
  const [server, setServer] = useState('http://localhost:8080');
  useEffect(() => setServer(serverURL().replace(/\/$/, '')), []);
  return (
    <>
      <Hero />
      <div className="page">
        <section className="section home-part" aria-labelledby="see">
          <h2 id="see">See it at work</h2>
          <div className="grid">
            {pages.filter((p) => p.path && p.name && p.place !== 'none').map((p) => <LinkCard key={p.path} href={p.path} title={p.name ?? ''}><p className="muted">{p.says}</p></LinkCard>)}
          </div>
        </section>
        <section className="section home-part" aria-labelledby="how">
          <h2 id="how">How it thinks</h2>
          <dl>{IDEAS.map(([title, says]) => <div key={title}><dt>{title}</dt><dd>{says}</dd></div>)}</dl>
        </section>
        <section className="section home-part" aria-labelledby="first">
          <h2 id="first">First lines</h2>
          <Ways server={server} />
        </section>
      </div>
    </>
  );
}
