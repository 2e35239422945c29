// The page: puts the pieces together and shows what they say.

import { Client } from './client.js';
import { Inspector } from './inspector.js';
import { channelTrouble, randomId, randomName } from './names.js';
import { Outbox } from './outbox.js';
import { Talk } from './talk.js';

/** @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ ($(id));

const TRANSPORTS = /** @type {const} */ (['websocket', 'sse', 'poll']);
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

const asked = query.get('channel') ?? 'chat';
let scheduled = false;
const client = new Client({
  channel: channelTrouble(asked) ? 'chat' : asked,
  transport: TRANSPORTS.find((t) => t === query.get('transport')) ?? 'websocket',
  outbox: new Outbox(sessionStorage),
  isOwn: (key) => key.startsWith(`${me}.`),
  changed: () => {
    if (scheduled) return;
    scheduled = true;
    if (document.hidden) setTimeout(show, 200);
    else requestAnimationFrame(show);
  },
});

const text = /** @type {HTMLTextAreaElement} */ ($('text'));
const talk = new Talk({
  list: $('messages'),
  scroller: $('log'),
  newest: $('newest'),
  edit: (key, was) => {
    client.discard(key);
    text.value = was;
    text.focus();
  },
  discard: (key) => {
    client.discard(key);
    text.focus();
  },
});
const inspector = new Inspector($);

function show() {
  scheduled = false;
  const empty = client.history === 'yes' && client.ledger.entries.length === 0;
  $('empty').hidden = !empty;
  $('earlier').hidden = client.earlier === '';
  $('log').setAttribute('aria-busy', String(client.history === 'loading'));
  talk.show(client.ledger);
  inspector.show(client);
  showState();
}

/** What the connection is, in words; [state, words, why]. */
function words() {
  const link = client.link;
  switch (link.name) {
    case 'idle':
      return ['connecting', 'not connected', ''];
    case 'connecting':
      return ['connecting', 'connecting', ''];
    case 'live':
      return ['live', 'live', ''];
    case 'refused':
      return ['refused', 'refused', link.why];
    case 'waiting': {
      const s = Math.max(0, Math.ceil((link.until - Date.now()) / 1000));
      const blocked = client.transport === 'websocket' && link.attempt >= 3 ? ' If the server runs, something between may not let WebSockets through: try SSE or long polling.' : '';
      return navigator.onLine
        ? ['waiting', `waiting ${s} s`, link.why + blocked]
        : ['offline', `offline, again in ${s} s`, 'This device has no network. What you write goes out when it is back.'];
    }
  }
}

let lastSaid = '';
function showState() {
  const [state, word, why] = /** @type {[string, string, string]} */ (words());
  if ($('state').dataset.state !== state) $('state').dataset.state = state;
  if ($('state-word').textContent !== word) $('state-word').textContent = word;
  // Between two attempts it stays, so that it does not blink.
  if (client.link.name !== 'connecting' || client.link.attempt === 0) {
    if ($('state-why').textContent !== why) $('state-why').textContent = why;
    $('notice').hidden = why === '';
  }
  // Said once for each state: a countdown is not for the ears.
  const said = state === 'waiting' ? 'connection lost, waiting' : state;
  if (said !== lastSaid && !(state === 'connecting' && lastSaid.includes('waiting'))) {
    lastSaid = said;
    $('state-said').textContent = said;
  }
}
setInterval(showState, 250);

function showPlace() {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ channel: client.channel, transport: client.transport }).toString();
  history.replaceState(null, '', url);
  /** @type {HTMLAnchorElement} */ ($('second')).href = url.href;
  $('talk-title').textContent = client.channel;
  document.title = `${client.channel} – Starling`;
  input('channel').value = client.channel;
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[name=transport]'))) radio.checked = radio.value === client.transport;
  const server = new URL('.', location.href).href.replace(/\/$/, '');
  const other = server === 'http://localhost:8080' ? '' : ` --url ${server}`;
  /** @param {string} from */
  const data = (from) => JSON.stringify({ from, text: 'hello' });
  $('curl').textContent = `curl -d '{"channel":"${client.channel}","data":${data('curl')}}' ${server}/api/v1/publish`;
  $('cli').textContent = `bin/starling publish${other} '${client.channel}' '${data('terminal')}'`;
}

$('join').addEventListener('submit', (e) => {
  e.preventDefault();
  const name = input('channel').value.trim();
  const trouble = channelTrouble(name);
  $('channel-trouble').textContent = trouble;
  input('channel').setAttribute('aria-invalid', String(trouble !== ''));
  if (trouble || name === client.channel) return;
  client.join(name);
  showPlace();
});

for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[name=transport]'))) {
  radio.addEventListener('change', () => {
    client.use(/** @type {import('./client.js').Transport} */ (radio.value));
    showPlace();
  });
}

input('name').addEventListener('change', () => {
  if (!input('name').value.trim()) input('name').value = randomName();
  sessionStorage.setItem('starling.name', input('name').value);
});

$('compose').addEventListener('submit', (e) => {
  e.preventDefault();
  if (!text.value.trim()) return;
  client.publish(`${me}.${randomId()}`, { from: input('name').value.trim(), text: text.value });
  text.value = '';
  text.focus();
});
text.addEventListener('keydown', (e) => {
  if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  /** @type {HTMLFormElement} */ ($('compose')).requestSubmit();
});

$('now').addEventListener('click', () => {
  if (client.link.name === 'refused') client.start();
  else client.wake();
});
$('earlier').addEventListener('click', () => void client.loadEarlier());

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

showPlace();
client.start();
