import { type ReactElement, useState } from 'react';
import { Button, ButtonLink, Checkbox, Field, IconButton, Input, Segmented, Select, Slider, Switch, Tabs, Textarea } from '../ui/index.js';
import { Part, Specimen } from './page.js';

const TRANSPORTS = [{ value: 'auto', label: 'Auto' }, { value: 'websocket', label: 'WebSocket' }, { value: 'sse', label: 'SSE' }, { value: 'poll', label: 'Polling' }] as const;

function Buttons(): ReactElement {
  const [down, setDown] = useState(true);
  const [busy, setBusy] = useState(true);
  return (
    <>
      <Specimen name="Button">
        <div className="row">
          <Button look="strong" icon="play">Start</Button>
          <Button icon="cut">Cut the connection</Button>
          <Button look="beak" icon="window">Open a second window</Button>
          <Button look="quiet">Later</Button>
          <Button look="danger" icon="trash">Delete</Button>
          <ButtonLink href="#controls" icon="arrow">A link</ButtonLink>
        </div>
        <div className="row">
          <Button size="small">Small</Button>
          <Button>Normal</Button>
          <Button size="large" look="strong">Large</Button>
          <Button disabled>Not now</Button>
          <Button look="strong" disabled>Not now</Button>
          <Button busy={busy} onClick={() => setBusy(true)}>Saving</Button>
          <Button size="small" look="quiet" onClick={() => setBusy(!busy)}>{busy ? 'Let it be done' : 'Save again'}</Button>
        </div>
      </Specimen>
      <Specimen name="IconButton">
        <div className="row">
          <IconButton label="Search" icon="search" />
          <IconButton label="Reset" icon="reset" look="plain" />
          <IconButton label="Pause" icon="pause" look="plain" pressed={down} onClick={() => setDown(!down)} />
          <IconButton label="Close" icon="close" size="small" />
          <IconButton label="Play" icon="play" disabled />
        </div>
      </Specimen>
    </>
  );
}

function Fields(): ReactElement {
  const [name, setName] = useState('not a name');
  const [transport, setTransport] = useState<'auto' | 'websocket' | 'sse' | 'poll'>('auto');
  const wrong = /^[\w:.-]+$/.test(name) ? null : 'A name is made of letters, digits and _ - : .';
  return (
    <Specimen name="Field, Input, Select, Textarea">
      <div className="specimens">
        <div className="stack">
          <Field label="Your name" hint="Others see it beside what you write."><Input defaultValue="Hazel Finch" /></Field>
          <Field label="Channel" error={wrong}><Input value={name} onChange={(e) => setName(e.target.value)} /></Field>
          <Field label="Empty"><Input placeholder="news" /></Field>
          <Field label="Disabled"><Input disabled defaultValue="read from the token" /></Field>
        </div>
        <div className="stack">
          <Field label="Transport"><Select options={TRANSPORTS} value={transport} onChange={setTransport} /></Field>
          <Field label="Message" hint="Enter sends it, Shift and Enter begin a line."><Textarea defaultValue={'Every window,\nthe same moment.'} /></Field>
        </div>
      </div>
    </Specimen>
  );
}

function Choices(): ReactElement {
  const [on, setOn] = useState(true);
  const [rate, setRate] = useState(40);
  const [transport, setTransport] = useState<'auto' | 'websocket' | 'sse' | 'poll'>('websocket');
  const [tab, setTab] = useState<'page' | 'go' | 'curl'>('page');
  return (
    <>
      <Specimen name="Switch, Checkbox, Slider">
        <div className="specimens">
          <div className="stack tight">
            <Switch label="Conflate" checked={on} onChange={setOn} />
            <Switch label="Not to be changed" checked onChange={setOn} disabled />
            <Checkbox label="publish" checked={on} onChange={setOn} />
            <Checkbox label="history" checked={false} onChange={setOn} disabled />
          </div>
          <div className="stack">
            <Slider label="Changes a second" value={rate} max={100} onChange={setRate} format={(n) => `${n * 50}/s`} />
            <Slider label="Disabled" value={30} onChange={setRate} disabled />
          </div>
        </div>
      </Specimen>
      <Specimen name="Segmented">
        <div className="row"><Segmented label="Transport" options={TRANSPORTS} value={transport} onChange={setTransport} /></div>
      </Specimen>
      <Specimen name="Tabs">
        <Tabs
          label="Ways to publish" value={tab} onChange={setTab}
          tabs={[
            { value: 'page', label: 'From a page', panel: <p>With the client, which keeps what it cannot send yet.</p> },
            { value: 'go', label: 'From Go', panel: <p>In the same process, without a connection.</p> },
            { value: 'curl', label: 'From a terminal', panel: <p>Over HTTP, with a key.</p> },
          ]}
        />
      </Specimen>
    </>
  );
}

/** Buttons, fields and choices. */
export function Controls(): ReactElement {
  return (
    <Part id="controls" title="Controls" says="At least 32 px high, all reached with the keyboard, each with its name.">
      <Buttons />
      <Fields />
      <Choices />
    </Part>
  );
}
