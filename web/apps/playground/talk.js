// The list of messages.

import { hueOf } from './names.js';

const HUES = 6;

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
export function make(tag, className, text) {
  const el = document.createElement(tag);
  el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/**
 * Who says what in the data of a publication; data of other shapes is shown as it is.
 *
 * @param {import('./ledger.js').Entry} e
 */
export function reading(e) {
  const d = /** @type {any} */ (e.data);
  if (d && typeof d === 'object' && typeof d.text === 'string') {
    return { from: typeof d.from === 'string' && d.from ? d.from : e.user || 'somebody', text: d.text, raw: false };
  }
  if (typeof d === 'string') return { from: e.user || 'somebody', text: d, raw: false };
  return { from: e.user || 'somebody', text: JSON.stringify(d, null, 2), raw: true };
}

/** Keeps the rows of a list in step with a ledger, and the reader where he reads. */
export class Talk {
  /**
   * @param {{list: HTMLElement, scroller: HTMLElement, newest: HTMLElement, edit: (key: string, text: string) => void, discard: (key: string) => void}} o
   */
  constructor(o) {
    this.o = o;
    /** @type {Map<number, {row: HTMLElement, version: number}>} */
    this.rows = new Map();
    /** @type {import('./ledger.js').Ledger | null} */
    this.ledger = null;
    o.newest.addEventListener('click', () => this.toEnd());
    o.scroller.addEventListener('scroll', () => {
      if (this.atEnd()) o.newest.hidden = true;
    }, { passive: true });
    // The list's place changes its height: the end stays in view if it was.
    this.pinned = true;
    o.scroller.addEventListener('scroll', () => (this.pinned = this.atEnd()), { passive: true });
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(o.scroller);
  }

  atEnd() {
    const s = this.o.scroller;
    return s.scrollHeight - s.scrollTop - s.clientHeight < 48;
  }

  toEnd() {
    this.o.scroller.scrollTop = this.o.scroller.scrollHeight;
    this.o.newest.hidden = true;
  }

  /** @param {import('./ledger.js').Ledger} ledger */
  show(ledger) {
    const { list, scroller, newest } = this.o;
    if (ledger !== this.ledger) {
      this.ledger = ledger;
      this.rows.clear();
      list.replaceChildren();
      this.pinned = true;
    }
    const wasAtEnd = this.pinned;
    const anchor = wasAtEnd ? null : this.firstInView();
    const anchorTop = anchor?.getBoundingClientRect().top ?? 0;
    let added = false;
    let ownAdded = false;
    /** @type {Set<number>} */
    const kept = new Set();
    let at = list.firstElementChild;
    for (const e of ledger.entries) {
      kept.add(e.uid);
      const known = this.rows.get(e.uid);
      let row = known?.row;
      if (!known || !row) {
        row = this.row(e);
        this.rows.set(e.uid, { row, version: e.version });
        added = true;
        ownAdded ||= e.state === 'waiting';
      } else if (known.version !== e.version) {
        known.version = e.version;
        this.fill(row, e);
      }
      if (row === at) at = at.nextElementSibling;
      else list.insertBefore(row, at);
    }
    for (const [uid, { row }] of this.rows) {
      if (kept.has(uid)) continue;
      row.remove();
      this.rows.delete(uid);
    }
    if (wasAtEnd || ownAdded) this.toEnd();
    else if (anchor?.isConnected) {
      scroller.scrollTop += anchor.getBoundingClientRect().top - anchorTop;
      if (added && list.lastElementChild !== this.last) newest.hidden = false;
    }
    this.last = list.lastElementChild;
  }

  firstInView() {
    const top = this.o.scroller.getBoundingClientRect().top;
    for (const row of this.o.list.children) if (row.getBoundingClientRect().bottom > top) return row;
    return null;
  }

  /** @param {import('./ledger.js').Entry} e */
  row(e) {
    const row = document.createElement('li');
    this.fill(row, e);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {import('./ledger.js').Entry} e
   */
  fill(row, e) {
    if (e.kind === 'gap') {
      row.className = 'gap';
      row.textContent = e.why === 'epoch' || e.why === 'lost'
        ? 'The channel has begun anew. Publications may have been missed here; below is what the server keeps now.'
        : 'Publications were missed here: the server no longer keeps them. Below is what it keeps now.';
      return;
    }
    const { from, text, raw } = reading(e);
    row.className = `message ${e.state}${e.own ? ' own' : ''}`;
    row.dataset.key = e.key;
    const gutter = make('span', 'gutter', e.state === 'stored' ? String(e.offset) : e.state === 'waiting' ? '···' : '!');
    gutter.setAttribute('aria-hidden', 'true');
    if (e.state === 'stored') gutter.title = `offset ${e.offset}`;
    const by = make('p', 'by');
    const who = make('span', `from hue-${hueOf(from, HUES)}`, from);
    who.dir = 'auto';
    by.append(who);
    if (e.own) by.append(make('span', 'you', 'you'));
    const when = /** @type {HTMLTimeElement} */ (make('time', '', clock.format(e.time)));
    when.dateTime = new Date(e.time).toISOString();
    when.title = full.format(e.time);
    by.append(when);
    if (e.state === 'waiting') by.append(make('span', 'status', 'waiting for the server'));
    const said = make('p', raw ? 'text raw' : 'text', text);
    said.dir = 'auto';
    const body = make('div', 'body');
    body.append(by, said);
    if (e.state === 'refused') body.append(this.refusal(e, text));
    row.replaceChildren(gutter, body);
  }

  /**
   * @param {import('./ledger.js').Entry} e
   * @param {string} text
   */
  refusal(e, text) {
    const box = make('div', 'refusal');
    const edit = make('button', 'button small', 'Edit');
    edit.addEventListener('click', () => this.o.edit(e.key, text));
    const discard = make('button', 'button small', 'Discard');
    discard.addEventListener('click', () => this.o.discard(e.key));
    box.append(make('span', '', `Not sent: ${e.why}`), edit, discard);
    return box;
  }
}
