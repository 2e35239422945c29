import { type ReactElement, useState } from 'react';
import { Button, Dialog, Field, IconButton, Input, Menu, Popover, Tooltip, useToast } from '../ui/index.js';
import { Part, Specimen } from './page.js';

function Dialogs(): ReactElement {
  const [open, setOpen] = useState(false);
  const toast = useToast();
  const close = (): void => setOpen(false);
  return (
    <Specimen name="Dialog">
      <div className="row"><Button aria-haspopup="dialog" onClick={() => setOpen(true)}>Rename the channel…</Button></div>
      <Dialog
        open={open} title="Rename the channel" onClose={close}
        actions={<><Button onClick={close}>Cancel</Button><Button look="strong" onClick={() => { close(); toast({ text: 'The channel is called “news” now.', tone: 'good' }); }}>Rename</Button></>}
      >
        <p>Who follows it goes on under the new name, from where they stand.</p>
        <Field label="New name"><Input defaultValue="news" autoComplete="off" /></Field>
      </Dialog>
    </Specimen>
  );
}

function Menus(): ReactElement {
  const [chosen, setChosen] = useState('nothing yet');
  const item = (label: string): { label: string; onChoose: () => void } => ({ label, onChoose: () => setChosen(label) });
  return (
    <Specimen name="Menu, Popover">
      <div className="row">
        <Menu label="Channel" items={[{ ...item('Mark as read'), icon: 'check', end: <kbd>M</kbd> }, { ...item('Copy its position'), icon: 'copy' }, { ...item('Not here'), disabled: true }, null, { ...item('Leave'), icon: 'trash', danger: true }]} />
        <Menu label="More" iconOnly look="plain" align="end" items={[item('One'), item('Two')]} />
        <Popover label="Position"><p className="small">A position is opaque, covers all channels of the session, and is what a client comes back with.</p></Popover>
        <span className="muted small">Chosen: {chosen}</span>
      </div>
    </Specimen>
  );
}

function Toasts(): ReactElement {
  const toast = useToast();
  return (
    <Specimen name="Toast, Tooltip">
      <div className="row">
        <Button onClick={() => toast('Ten people follow this channel.')}>Say something</Button>
        <Button onClick={() => toast({ text: 'Stored at offset 1204.', tone: 'good' })}>Something good</Button>
        <Button onClick={() => toast({ text: 'The connection is lost. What you write goes out when it is back.', tone: 'warn' })}>A warning</Button>
        <Button onClick={() => toast({ text: 'The message was removed.', tone: 'bad', stays: 0, action: { label: 'Undo', onChoose: () => toast('It is back.') } })}>With a way back</Button>
        <Tooltip text="Rounds that it took from here to the server and back"><IconButton label="Latency" icon="bolt" look="plain" /></Tooltip>
      </div>
    </Specimen>
  );
}

/** What lies above the page. */
export function Layers(): ReactElement {
  return (
    <Part id="layers" title="Layers" says="In the browser's top layer: Escape closes them, and the focus goes back to where it was.">
      <Dialogs />
      <Menus />
      <Toasts />
    </Part>
  );
}
