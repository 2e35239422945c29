// What a window shows of a channel: publications in the order of their offsets, each
// once, then the window's own that wait to be acknowledged.

/**
 * @typedef {object} Entry
 * @property {number} uid of this entry, in this window
 * @property {'publication' | 'gap'} kind
 * @property {number} life how many resets came before it: offsets are compared within one
 * @property {number | null} offset null as long as it is not in the channel's log
 * @property {string} id of the publication; empty as long as it was not received
 * @property {string} key
 * @property {unknown} data
 * @property {string} user
 * @property {number} time Unix milliseconds
 * @property {boolean} own
 * @property {'waiting' | 'stored' | 'refused'} state
 * @property {string} why of a refusal or a gap
 * @property {number} version grows with every change
 */

/** About how many entries are kept. */
export const MOST = 1000;

export class Ledger {
  /** @param {(key: string) => boolean} isOwn tells this window's keys */
  constructor(isOwn) {
    this.isOwn = isOwn;
    /** @type {Entry[]} */
    this.entries = [];
    this.life = 0;
    /** @type {Set<string>} */
    this.ids = new Set();
    /** @type {Map<string, Entry>} */
    this.byKey = new Map();
    this.uids = 0;
  }

  /**
   * Takes a publication, from the stream or from history, and tells whether it was
   * not there yet.
   *
   * @param {import('@starling-rt/client').Publication} p
   */
  add(p) {
    if (this.ids.has(p.id)) return false;
    this.ids.add(p.id);
    // Our own is here already: known by its key, until it has come.
    const sent = this.byKey.get(p.key ?? '');
    const known = sent?.id === '' ? sent : undefined;
    if (known) this.take(known);
    const e = known ?? this.entry('publication', p.key ?? '', p.data, p.time);
    Object.assign(e, { id: p.id, offset: p.offset, life: this.life, user: p.user ?? '', time: p.time, state: 'stored', why: '' });
    e.version++;
    this.put(e);
    return true;
  }

  /**
   * Shows one of the window's own, before it is acknowledged.
   *
   * @param {{key: string, data: unknown, created: number}} o
   */
  pend(o) {
    if (!this.byKey.has(o.key)) this.put(this.entry('publication', o.key, o.data, o.created));
  }

  /**
   * Notes that one of the window's own is in the log.
   *
   * @param {string} key
   * @param {number} offset
   */
  acknowledge(key, offset) {
    const e = this.byKey.get(key);
    if (!e || e.state === 'stored') return;
    this.take(e);
    Object.assign(e, { offset, life: this.life, state: 'stored', why: '' });
    e.version++;
    this.put(e);
  }

  /**
   * @param {string} key
   * @param {string} why
   */
  refuse(key, why) {
    const e = this.byKey.get(key);
    if (!e || e.state === 'stored') return;
    Object.assign(e, { state: 'refused', why });
    e.version++;
  }

  /** @param {string} key */
  drop(key) {
    const e = this.byKey.get(key);
    if (!e || e.state === 'stored') return;
    this.take(e);
    this.byKey.delete(key);
  }

  /**
   * Begins anew after publications were missed. What is there stays; offsets may
   * mean something else from now on.
   *
   * @param {string} why
   */
  gap(why) {
    this.life++;
    const e = this.entry('gap', '', null, Date.now());
    Object.assign(e, { offset: -1, why, state: 'stored', own: false });
    this.put(e);
  }

  /** @returns {Entry} */
  entry(/** @type {Entry['kind']} */ kind, /** @type {string} */ key, /** @type {unknown} */ data, /** @type {number} */ time) {
    /** @type {Entry} */
    const e = { uid: ++this.uids, kind, life: this.life, offset: null, id: '', key, data, user: '', time, own: key !== '' && this.isOwn(key), state: 'waiting', why: '', version: 0 };
    if (key) this.byKey.set(key, e);
    return e;
  }

  /** @param {Entry} e */
  put(e) {
    let at = this.entries.length;
    while (at > 0 && after(/** @type {Entry} */ (this.entries[at - 1]), e)) at--;
    this.entries.splice(at, 0, e);
  }

  /** @param {Entry} e */
  take(e) {
    const at = this.entries.lastIndexOf(e);
    if (at >= 0) this.entries.splice(at, 1);
  }

  /** Lets the oldest go when there are too many, and tells whether it did. */
  trim() {
    const n = this.entries.length - MOST;
    if (n < MOST / 10) return false; // some at a time
    for (const e of this.entries.splice(0, n)) this.byKey.delete(e.key); // ids stay: one may come again
    return true;
  }
}

/**
 * Tells whether a stands after b.
 *
 * @param {Entry} a
 * @param {Entry} b
 */
function after(a, b) {
  if (a.offset === null || b.offset === null) return a.offset === null && (b.offset !== null || a.uid > b.uid);
  return a.life !== b.life ? a.life > b.life : a.offset > b.offset;
}
