// The Playground: puts the pieces together and shows what they say.

import './style.css';
import { channelTrouble } from '@starling-rt/client';
import { Identity } from './identity.js';
import { Inspector } from './inspector.js';
import { randomId, randomName } from './names.js';
import { Outbox } from './outbox.js';
import { put } from './pane.js';
import { Room } from './room.js';

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ ($(id));

const CHOICES = /** @type {const} */ (['auto', 'websocket', 'sse', 'poll']);
const NAMES = { websocket: 'WebSocket', sse: 'SSE', poll: 'long polling' };
/** How many channels stand side by side. */
const MOST = 6;
const query = new URLSearchParams(location.search);

/**
 * Keeps a text for the life of this window.
 *
 * @param {string} name
 * @param {() => string} begin
 */
function kept(name, begin) {
  const value = sessionStorage.getItem(name) ?? begin();
  sessionStorage.setItem(name, value);
  return value;
}

const me = kept('starling.window', () => randomId(9));
input('name').value = kept('starling.name', randomName);

let scheduled = false;
function changed() {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(show, 200);
  else requestAnimationFrame(show);
}

const room = new Room({
  choice: CHOICES.find((t) => t === query.get('transport')) ?? 'auto',
  template: /** @type {HTMLTemplateElement} */ ($('pane')),
  place: $('panes'),
  around: {
    outbox: new Outbox(sessionStorage),
    me,
    name: () => input('name').value.trim(),
    key: () => `${me}.${randomId()}`,
    changed,
    close: (pane) => {
      room.close(pane);
      showPlace();
      input('channel').focus();
    },
  },
});

const inspector = new Inspector($);
new Identity({
  root: $('who'),
  user: kept('starling.user', () => 'ann'),
  enter: async (who) => {
    await room.enter(who);
    if (who) sessionStorage.setItem('starling.user', who.user);
  },
});

/** What the connection is, in words: [state, words, why]. */
function words() {
  const s = room.client.state;
  switch (s.name) {
    case 'idle':
      return ['off', 'not connected', ''];
    case 'disconnected':
      return ['off', 'disconnected', s.reason === 'asked' ? 'It stays so until you connect.' : 'The page was put away.'];
    case 'connecting': {
      const how = s.transport ? `connecting over ${NAMES[s.transport]}` : 'asking for a token';
      return ['connecting', how, s.reason?.message ?? ''];
    }
    case 'connected':
      return ['live', `live over ${NAMES[s.transport]}`, room.trouble];
    case 'failed':
      return ['refused', `refused: ${s.code}`, s.reason.message];
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((s.retryAt - Date.now()) / 1000));
      return navigator.onLine
        ? ['waiting', `waiting ${seconds} s`, s.reason.message]
        : ['offline', `offline, again in ${seconds} s`, 'This device has no network. What you write goes out when it is back.'];
    }
  }
}

let lastSaid = '';
function showState() {
  const [state = '', word = '', why = ''] = words();
  if ($('state').dataset.state !== state) $('state').dataset.state = state;
  put($('state-word'), word);
  put($('state-why'), why);
  const off = state === 'off' || state === 'refused';
  put($('connect'), off ? 'Connect' : state === 'live' || state === 'connecting' ? 'Disconnect' : 'Try now');
  // Said once for each state: a countdown is not for the ears.
  const said = state === 'waiting' || state === 'offline' ? 'connection lost, waiting' : state === 'refused' ? `refused: ${why}` : state === 'off' ? word : state;
  if (said !== lastSaid && !(state === 'connecting' && lastSaid.includes('waiting'))) {
    lastSaid = said;
    $('state-said').textContent = said;
  }
}
setInterval(showState, 250);

function show() {
  scheduled = false;
  const connected = room.client.state.name === 'connected';
  for (const pane of room.panes) pane.show(connected);
  $('nobody').hidden = room.panes.length > 0;
  put($('who-now'), room.who ? room.client.user || `${room.who.user} …` : 'anonymous');
  put($('who-tokens'), room.who ? `${room.tokens} ${room.tokens === 1 ? 'token' : 'tokens'} so far, each for ${room.who.expiresIn} s` : '');
  inspector.show(room);
  showState();
}

function showPlace() {
  const url = new URL(location.href);
  const q = new URLSearchParams(room.panes.map((p) => ['channel', p.name]));
  q.set('transport', room.choice);
  url.search = q.toString();
  history.replaceState(null, '', url);
  /** @type {HTMLAnchorElement} */ ($('second')).href = url.href;
  const first = room.panes[0]?.name ?? 'chat';
  document.title = `${first} – Starling Playground`;
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[name=transport]'))) radio.checked = radio.value === room.choice;
  const server = new URL('.', location.href).href.replace(/\/$/, '');
  const other = server === 'http://localhost:8080' ? '' : ` --url ${server}`;
  /** @param {string} from */
  const data = (from) => JSON.stringify({ from, text: 'hello' });
  $('curl').textContent = `curl -d '{"channel":"${first}","data":${data('curl')}}' ${server}/api/v1/publish`;
  $('cli').textContent = `bin/starling publish${other} '${first}' '${data('terminal')}'`;
  $('code').textContent = `<script type="module">\n  import { createClient } from '${server}/sdk/starling.js'\n  const client = createClient({ url: '${server}' })\n  client.channel('${first}').on('publication', (p) => console.log(p.data))\n</script>`;
}

/** @param {string} text */
function trouble(text) {
  $('channel-trouble').textContent = text;
  input('channel').setAttribute('aria-invalid', String(text !== ''));
}

$('join').addEventListener('submit', (e) => {
  e.preventDefault();
  const name = input('channel').value.trim();
  const wrong = name.endsWith('*') ? 'The Playground follows channels by their names.' : channelTrouble(name);
  trouble(wrong || (room.panes.length >= MOST && !room.panes.some((p) => p.name === name) ? `${MOST} channels stand side by side already: leave one first.` : ''));
  if ($('channel-trouble').textContent) return;
  room.open(name);
  input('channel').value = '';
  showPlace();
  room.panes.find((p) => p.name === name)?.$('textarea').focus();
});

for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[name=transport]'))) {
  radio.addEventListener('change', () => {
    room.use(/** @type {import('./room.js').Choice} */ (radio.value));
    showPlace();
  });
}

input('name').addEventListener('change', () => {
  if (!input('name').value.trim()) input('name').value = randomName();
  sessionStorage.setItem('starling.name', input('name').value);
});

$('connect').addEventListener('click', () => {
  const { name } = room.client.state;
  if (name !== 'connected' && name !== 'connecting') {
    room.client.connect();
    // What was given up by disconnecting goes out again, under its keys.
    if (name === 'disconnected' || name === 'failed') for (const pane of room.panes) for (const o of room.o.around.outbox.due(pane.name)) pane.send(o);
  } else room.client.disconnect();
});

$('second').addEventListener('click', (e) => {
  // Beside this one if the browser lets us; otherwise the link does what links do.
  if (e.metaKey || e.ctrlKey || e.shiftKey) return;
  const { href } = /** @type {HTMLAnchorElement} */ ($('second'));
  const width = Math.min(760, Math.round(screen.availWidth / 2));
  window.open(href, '_blank', `noopener,width=${width},height=${Math.min(860, screen.availHeight)}`);
  e.preventDefault();
});

/**
 * @param {HTMLElement} button
 * @param {string} what
 */
async function copy(button, what) {
  const was = button.textContent;
  let outcome = 'Copied';
  try {
    await navigator.clipboard.writeText(what);
  } catch {
    outcome = 'Not allowed';
  }
  button.textContent = outcome;
  $('copied').textContent = outcome;
  setTimeout(() => {
    button.textContent = was;
    $('copied').textContent = '';
  }, 1500);
}
for (const b of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-copy]'))) {
  b.addEventListener('click', () => void copy(b, $(b.dataset.copy ?? '').textContent ?? ''));
}
$('copy-frames').addEventListener('click', () => void copy($('copy-frames'), inspector.text()));

const asked = [...new Set(query.getAll('channel'))].filter((name) => !channelTrouble(name) && !name.endsWith('*')).slice(0, MOST);
for (const name of asked.length > 0 ? asked : ['chat']) room.open(name);
showPlace();
room.client.connect();
changed();
