// The inspector: where the window stands, and what goes over the wire.

import { MOST, size } from './frames.js';
import { make } from './talk.js';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

/** @param {import('./frames.js').Frame} f */
function line(f) {
  return `${clock.format(f.time)} ${f.way === 'in' ? '<-' : '->'} ${f.kind}\n${f.text}`;
}

/**
 * JSON on several lines, where there is some.
 *
 * @param {string} text
 */
function pretty(text) {
  return text.replace(/^(data: )?(\{.*\})$/gm, (all, /** @type {string} */ prefix = '', /** @type {string} */ json) => {
    try {
      return prefix + JSON.stringify(JSON.parse(json), null, 2);
    } catch {
      return all;
    }
  });
}

export class Inspector {
  /** @param {(id: string) => HTMLElement} $ */
  constructor($) {
    this.$ = $;
    this.paused = false;
    this.shown = 0; // the number of the newest frame in the list
    /** @type {import('./frames.js').Frames | null} */
    this.frames = null;
    $('pause').addEventListener('click', () => this.pause());
    // What a frame says is laid out when somebody looks.
    $('frames').addEventListener('toggle', (e) => this.open(/** @type {HTMLDetailsElement} */ (e.target)), true);
  }

  pause() {
    this.paused = !this.paused;
    const b = this.$('pause');
    b.setAttribute('aria-pressed', String(this.paused));
    b.textContent = this.paused ? 'Go on' : 'Pause';
    if (this.frames) this.list(this.frames);
  }

  /** @param {HTMLDetailsElement} details */
  open(details) {
    const f = this.frames?.list.find((one) => String(one.n) === details.dataset.n);
    if (details.open && f && !details.querySelector('pre')) details.append(make('pre', '', `${clock.format(f.time)}\n${pretty(f.text)}`));
  }

  text() {
    return `${(this.frames?.list ?? []).map(line).join('\n\n')}\n`;
  }

  /** @param {import('./room.js').Room} room */
  show(room) {
    const { state, user } = room.client;
    this.put('session', state.name === 'connected' ? state.session : 'none');
    this.put('user-seen', user || 'anonymous');
    this.put('received', counted(room.frames.in));
    this.put('sent', counted(room.frames.out));
    this.positions(room.panes);
    this.frames = room.frames;
    this.list(room.frames);
  }

  /** @param {import('./pane.js').Pane[]} panes */
  positions(panes) {
    const body = this.$('positions');
    while (body.childElementCount > panes.length) body.lastElementChild?.remove();
    for (const [i, pane] of panes.entries()) {
      const row = body.children[i] ?? body.appendChild(make('tr', ''));
      while (row.childElementCount < 5) row.append(row.childElementCount === 0 ? header() : make('td', ''));
      const c = pane.channel;
      const texts = [pane.name, c?.position || 'none yet', c?.offset ? String(c.offset) : '–', String(pane.recovered), String(c?.duplicates ?? 0)];
      for (const [n, text] of texts.entries()) {
        const cell = /** @type {HTMLElement} */ (row.children[n]);
        if (cell.textContent === text) continue;
        cell.textContent = text;
        cell.title = text.length > 12 ? text : '';
      }
    }
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  put(id, text) {
    const el = this.$(id);
    if (el.textContent === text) return;
    el.textContent = text;
    el.title = text.length > 24 ? text : '';
  }

  /** @param {import('./frames.js').Frames} frames */
  list(frames) {
    if (this.paused) return;
    const list = this.$('frames');
    const scroller = this.$('frame-list');
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 24;
    for (const f of frames.list) {
      if (f.n <= this.shown) continue;
      this.shown = f.n;
      list.append(row(f));
    }
    while (list.childElementCount > MOST) list.firstElementChild?.remove();
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }
}

/**
 * The part of a frame that tells it from others of its kind.
 *
 * @param {import('./frames.js').Frame} f
 */
function glance(f) {
  const text = f.text.replace(/^id: .*\n/, '').replace(/^event: .*\ndata: /, '');
  const publication = /^\{"type":"publication",.*?"offset":(\d+),"id":"[^"]*","data":(.*)/s.exec(text);
  if (publication) return `#${publication[1]} ${publication[2]}`.slice(0, 200);
  const answer = /^\{"position":"[^"]*",(.*)/s.exec(text);
  return (answer?.[1] ?? text.replace(/^\{"type":"\w+",/, '').replace(/^"channel":"[^"]*",/, '')).slice(0, 200);
}

/** @param {{frames: number, bytes: number}} c */
const counted = (c) => `${c.frames} ${c.frames === 1 ? 'frame' : 'frames'}, ${size(c.bytes)}`;

function header() {
  const th = make('th', '');
  th.setAttribute('scope', 'row');
  return th;
}

/** @param {import('./frames.js').Frame} f */
function row(f) {
  const li = make('li', `frame ${f.way}`);
  const details = document.createElement('details');
  details.dataset.n = String(f.n);
  const summary = document.createElement('summary');
  const arrow = make('span', 'arrow', f.way === 'in' ? '↓' : '↑');
  arrow.setAttribute('role', 'img');
  arrow.setAttribute('aria-label', f.way === 'in' ? 'received' : 'sent');
  summary.append(arrow, make('span', 'kind', f.kind), make('span', 'glance', glance(f)), make('span', 'bytes', size(f.bytes)));
  details.append(summary);
  li.append(details);
  return li;
}
