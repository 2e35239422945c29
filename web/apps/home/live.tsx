import { StarlingProvider } from '@starling-rt/client/react';
import { type KeyboardEvent, type ReactElement, useState, useSyncExternalStore } from 'react';
import { reading } from '../playground/talk.js';
import { Button, ConnectionStatus, EmptyState, Field, hueOf, Input, LogList, quantile, Segmented, Sparkline, Status, Textarea } from '../ui/index.js';
import type { Choice, Entry, Room, RoomView } from './room.js';

const CHOICES = [{ value: 'auto', label: 'Auto' }, { value: 'websocket', label: 'WebSocket' }, { value: 'sse', label: 'SSE' }, { value: 'poll', label: 'Polling' }] as const;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** One entry: where it stands in the log, who says what and when, and what has become of it. */
function Said({ entry: e, onDiscard }: { readonly entry: Entry; readonly onDiscard: () => void }): ReactElement {
  if (e.kind === 'gap') return <p className="notice warn">Publications were missed here: the server no longer keeps them.</p>;
  const { from, text, raw } = reading(e);
  return (
    <>
      <span className="said-at figures" title={e.state === 'stored' ? `offset ${e.offset}` : undefined} aria-hidden="true">{e.state === 'stored' ? e.offset : e.state === 'waiting' ? '···' : '!'}</span>
      <div className="said-body">
        <p className="said-by">
          <strong dir="auto" style={{ color: hueOf(from) }}>{from}</strong>
          {e.own && <span className="said-own">you</span>}
          <time className="muted" dateTime={new Date(e.time).toISOString()}>{clock.format(e.time)}</time>
          {e.state === 'waiting' && <span className="said-waits">waiting for the server</span>}
        </p>
        <p className={raw ? 'said-text mono' : 'said-text'} dir="auto">{text}</p>
        {e.state === 'refused' && <p className="notice bad"><span className="grow">Not sent: {e.why}</span><Button size="small" onClick={onDiscard}>Discard</Button></p>}
      </div>
    </>
  );
}

function Compose({ room }: { readonly room: Room | null }): ReactElement {
  const [text, setText] = useState('');
  const send = (): void => {
    room?.say(text);
    if (room) setText('');
  };
  const pressed = (e: KeyboardEvent): void => {
    if (e.key !== 'Enter' || e.shiftKey || e.nativeEvent.isComposing) return;
    e.preventDefault();
    send();
  };
  return (
    <form className="live-compose" onSubmit={(e) => { e.preventDefault(); send(); }}>
      <Field label="Message" hideLabel className="grow"><Textarea rows={1} maxLength={8000} dir="auto" placeholder="Write something" enterKeyHint="send" autoComplete="off" value={text} onChange={(e) => setText(e.target.value)} onKeyDown={pressed} /></Field>
      <Button look="strong" type="submit">Send</Button>
    </form>
  );
}

const EMPTY: RoomView = { entries: [], earlier: false, loaded: false, subscribed: false, refusal: '', choice: 'auto', name: '', windows: 0, trips: [], back: 0, twice: 0 };
const never = (): (() => void) => () => {};
const empty = (): RoomView => EMPTY;

/** The conversation of this window, over the transport that is chosen. Until there is a room it stands there without one, so that nothing moves when it comes. */
export function Live({ room }: { readonly room: Room | null }): ReactElement {
  const view = useSyncExternalStore(room?.subscribe ?? never, room?.read ?? empty, empty);
  return (
    <section className="card live" aria-labelledby="live-title">
      <div className="live-head">
        <h2 id="live-title">This window</h2>
        {room ? <StarlingProvider client={room.client}><ConnectionStatus /></StarlingProvider> : <Status tone="plain">not connected</Status>}
      </div>
      <div className="live-choice">
        <Segmented<Choice> label="Transport" hideLabel options={CHOICES} value={view.choice} onChange={(c) => room?.use(c)} />
        <Field label="Your name" hideLabel className="live-name"><Input value={view.name} maxLength={40} autoComplete="off" spellCheck={false} onChange={(e) => room?.rename(e.target.value)} /></Field>
      </div>
      <LogList<Entry>
        label="Messages" className="live-log" items={view.entries} keyOf={(e) => e.uid} busy={!view.loaded}
        itemClass={(e) => `said ${e.state}${e.own ? ' own' : ''}${e.kind === 'gap' ? ' gap' : ''}`}
        render={(e) => <Said entry={e} onDiscard={() => room?.discard(e.key)} />}
        before={view.earlier && <div className="live-earlier"><Button size="small" onClick={() => room?.loadEarlier()}>Show earlier messages</Button></div>}
        empty={view.loaded && <EmptyState title="Nothing has been said here yet."><p>Write the first message, and open a second window to see it arrive.</p></EmptyState>}
      />
      {view.refusal && <p className="notice bad" role="alert">{view.refusal}</p>}
      <noscript><p className="notice warn">This needs JavaScript. A channel can be followed without it: <code>curl -N http://localhost:8080/sse?channel=chat</code></p></noscript>
      <Compose room={room} />
      <Measures view={view} />
    </section>
  );
}

function Measures({ view: { trips, windows, back, twice } }: { readonly view: RoomView }): ReactElement {
  const middle = quantile(trips, 0.5);
  return (
    <dl className="live-measures">
      <div><dt>Round trip</dt><dd><span id="round-trip">{middle === undefined ? '–' : `${middle < 10 ? middle.toFixed(1) : Math.round(middle)} ms`}</span><Sparkline label="Round trips" unit=" ms" values={trips} height={20} /></dd></div>
      <div><dt>Windows here</dt><dd id="windows">{windows || '–'}</dd></div>
      <div><dt title="How often the connection came back and nothing had been missed">Came back</dt><dd id="back">{back}</dd></div>
      <div><dt title="What came again after that and was dropped">Twice</dt><dd id="twice">{twice}</dd></div>
    </dl>
  );
}
