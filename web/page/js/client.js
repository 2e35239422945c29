// A window's part in a channel: it runs the reducer of link.js with real timers and
// transports, keeps the position, loads history, and empties the outbox.

import { delay } from './backoff.js';
import { Frames } from './frames.js';
import { idle, reduce } from './link.js';
import { Ledger } from './ledger.js';
import * as poll from './poll.js';
import * as sse from './sse.js';
import * as websocket from './websocket.js';
import { Refusal, sleep } from './wire.js';

/** @typedef {'websocket' | 'sse' | 'poll'} Transport */

/** @type {Record<Transport, (place: import('./wire.js').Place, on: import('./wire.js').Events) => import('./wire.js').Wire>} */
const transports = { websocket: websocket.connect, sse: sse.connect, poll: poll.connect };

/** How many publications a look back fetches. */
const PAGE = 100;

/** After how long without a tick this machine must have slept, in milliseconds. */
const NAP = 15_000;

export class Client {
  /**
   * @param {{channel: string, transport: Transport, outbox: import('./outbox.js').Outbox, isOwn: (key: string) => boolean, changed: () => void}} o
   */
  constructor(o) {
    this.channel = o.channel;
    this.transport = o.transport;
    this.outbox = o.outbox;
    this.isOwn = o.isOwn;
    this.changed = o.changed;
    this.frames = new Frames();
    /** @type {import('./link.js').Link} */
    this.link = idle;
    this.session = '';
    /** @type {import('./wire.js').Wire | null} */
    this.wire = null;
    this.doubles = 0; // publications that came again and were not shown again
    this.generation = 0; // of the wire: what an older one says is not heard
    this.flushing = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.ledger = new Ledger(this.isOwn);
    this.since = ''; // a position that the server gave
    this.offset = 0; // of the last publication seen since; 0 if there was none
    /** @type {'no' | 'loading' | 'yes'} */
    this.history = 'no';
    this.earlier = ''; // the position before which there is more; '' when there is none
    this.recall();
    this.listen();
  }

  /** Shows what an earlier life of this window still had to publish. */
  recall() {
    for (const o of this.outbox.of(this.channel)) {
      this.ledger.pend(o);
      if (o.refused) this.ledger.refuse(o.key, o.refused);
    }
  }

  start() {
    this.happen({ type: 'start' });
  }

  /**
   * Goes on over another transport, from the position reached.
   *
   * @param {Transport} transport
   */
  use(transport) {
    this.transport = transport;
    this.start();
  }

  /** @param {string} channel */
  join(channel) {
    this.channel = channel;
    this.ledger = new Ledger(this.isOwn);
    this.since = this.earlier = '';
    this.offset = 0;
    this.history = 'no';
    this.recall();
    this.start();
  }

  /**
   * Publishes as soon as it can be.
   *
   * @param {string} key
   * @param {unknown} data
   */
  publish(key, data) {
    this.ledger.pend(this.outbox.add(key, this.channel, data));
    this.changed();
    void this.flush();
  }

  /** @param {string} key */
  discard(key) {
    this.outbox.remove(key);
    this.ledger.drop(key);
    this.changed();
  }

  wake() {
    this.happen({ type: 'wake' });
  }

  listen() {
    addEventListener('online', () => this.wake());
    addEventListener('offline', () => {
      if (this.link.name === 'live') this.wake();
      this.changed();
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.wake();
    });
    // A page that is put away may not hold a connection, or it is thrown away.
    addEventListener('pagehide', () => this.happen({ type: 'stop' }));
    addEventListener('pageshow', (e) => {
      if (e.persisted) this.start();
    });
    let tick = Date.now();
    setInterval(() => {
      // After a sleep the old connection may look alive for minutes.
      if (Date.now() - tick > NAP && !document.hidden && this.link.name === 'live') this.start();
      tick = Date.now();
    }, 2_000);
  }

  /** @param {import('./link.js').Happening} event */
  happen(event) {
    const [link, effects] = reduce(this.link, event, { now: Date.now() });
    this.link = link;
    for (const e of effects) {
      switch (e.do) {
        case 'open':
          this.open();
          break;
        case 'close':
          this.generation++;
          this.wire?.close();
          this.wire = null;
          this.session = '';
          break;
        case 'check':
          this.wire?.check();
          break;
        case 'timer':
          this.timer = setTimeout(() => this.happen({ type: 'due' }), e.ms);
          break;
        case 'cancel':
          clearTimeout(this.timer);
          break;
      }
    }
    this.changed();
  }

  open() {
    const mine = ++this.generation;
    const ledger = this.ledger;
    /**
     * @template {unknown[]} A
     * @param {(...args: A) => void} f
     * @returns {(...args: A) => void}
     */
    const heard = (f) => (...args) => {
      if (mine !== this.generation) return;
      f(...args);
      this.changed();
    };
    const place = { channel: this.channel, since: this.since && this.offset ? `${this.since}.${this.offset}` : this.since };
    this.wire = transports[this.transport](place, {
      open: heard((session) => {
        this.session = session;
        this.happen({ type: 'opened', session });
        void this.load();
        void this.flush();
      }),
      position: heard((position) => {
        this.since = position;
      }),
      publication: heard((p, position) => {
        if (!ledger.add(p)) this.doubles++;
        if (ledger.trim()) this.earlier = '';
        if (p.key) this.outbox.remove(p.key); // it is in the log: acknowledged enough
        this.offset = p.offset;
        if (position) this.since = position;
      }),
      reset: heard((position, reason) => this.reset(position, reason)),
      end: heard((end) => {
        if (end.lost) this.reset('', 'lost');
        if (end.final) this.happen({ type: 'refused', why: end.why });
        else this.happen({ type: 'broken', why: end.why, ...(end.after !== undefined && { after: end.after }) });
      }),
      frame: heard((way, kind, text) => this.frames.add(way, kind, text)),
    });
  }

  /**
   * @param {string} position
   * @param {string} reason
   */
  reset(position, reason) {
    this.since = position;
    this.offset = 0;
    this.ledger.gap(reason);
    this.history = 'no';
    this.earlier = '';
    if (this.link.name === 'live') void this.load();
  }

  /** Loads the newest of what the channel keeps. */
  async load() {
    if (this.history !== 'no' || !this.since) return;
    this.history = 'loading';
    // Before the end: where the position is, moved on as far as offsets go.
    const outcome = await this.look(`${this.since}.${Number.MAX_SAFE_INTEGER}`);
    if (outcome === 'past') return; // another look is under way
    this.history = outcome === 'seen' ? 'yes' : 'no'; // the next connection tries again
    if (outcome === 'later') setTimeout(() => void this.load(), delay(2));
    this.changed();
  }

  /** Loads what came before what is shown. */
  async loadEarlier() {
    const { earlier } = this;
    if (!earlier) return;
    this.earlier = '';
    const outcome = await this.look(earlier);
    if (outcome === 'past') return;
    if (outcome !== 'seen') this.earlier = earlier;
    this.changed();
  }

  /**
   * Takes a page of history into the ledger, and tells whether it did: 'later' and
   * 'broken' say that it may be tried again, 'past' that nobody wants it any more.
   *
   * @param {string} before
   * @returns {Promise<'seen' | 'later' | 'broken' | 'past'>}
   */
  async look(before) {
    const { wire, ledger } = this;
    const { life } = ledger;
    if (!wire) return 'broken';
    const stale = () => ledger !== this.ledger || life !== ledger.life;
    try {
      const page = await wire.request({ type: 'history', channel: this.channel, before, limit: PAGE });
      if (stale()) return 'past';
      for (const p of page.publications) {
        ledger.add(p);
        if (p.key) this.outbox.remove(p.key);
      }
      this.earlier = page.more ? page.position : '';
      return 'seen';
    } catch (e) {
      if (stale()) return 'past';
      return e instanceof Refusal && e.retry ? 'later' : 'broken';
    }
  }

  /** Publishes what is in the outbox, one after the other, so that it stays in order. */
  async flush() {
    if (this.flushing) return;
    this.flushing = true;
    for (let failures = 0; this.link.name === 'live' && this.wire; ) {
      const o = this.outbox.next((old) => this.ledger.refuse(old.key, old.refused ?? ''));
      if (!o) break;
      const mine = this.generation;
      try {
        const done = await this.wire.request({ type: 'publish', channel: o.channel, key: o.key, data: o.data });
        this.outbox.remove(o.key);
        if (o.channel === this.channel) this.ledger.acknowledge(o.key, done.offset);
        failures = 0;
      } catch (e) {
        if (!(e instanceof Refusal)) {
          if (mine === this.generation) break; // the next connection goes on
          continue;
        }
        if (e.retry) await sleep(delay(++failures));
        else {
          this.outbox.refuse(o.key, e.message);
          this.ledger.refuse(o.key, e.message);
        }
      }
      this.changed();
    }
    this.flushing = false;
    this.changed();
  }
}
