// What a window shows of one channel: what has been published, each once, what this window has still to say, and
// how far back it has looked. It knows nothing of the page.

import { Ledger } from './ledger.js';

/** How many publications a look back fetches. */
const PAGE = 100;
const AGAIN = 1_500;

/**
 * @typedef {object} Surroundings
 * @property {import('./outbox.js').Outbox} outbox
 * @property {string} me the id of this window
 * @property {() => string} key a new key, which begins with that id
 * @property {() => void} changed
 */

export class Conversation {
  /**
   * @param {string} name
   * @param {Surroundings} around
   */
  constructor(name, around) {
    this.name = name;
    this.around = around;
    this.ledger = new Ledger((key) => key.startsWith(`${around.me}.`));
    /** @type {import('@starling-rt/client').Channel | null} */
    this.channel = null;
    /** @type {import('@starling-rt/client').Client | null} */
    this.client = null;
    /** @type {'no' | 'loading' | 'yes'} */
    this.history = 'no';
    this.earlier = ''; // the position before which there is more
    this.recovered = 0;
    /** @type {import('@starling-rt/client').StarlingError | null} */
    this.refusal = null;
    this.turn = 0; // of the client that it is at
    for (const o of around.outbox.of(name)) {
      this.ledger.pend(o);
      if (o.refused) this.ledger.refuse(o.key, o.refused);
    }
  }

  /**
   * A signal has come.
   *
   * @param {import('@starling-rt/client').Signal} _signal
   */
  take(_signal) {}

  /** It is subscribed anew: what signals there are comes again. */
  anew() {}

  /**
   * Follows the channel with a client, from where it stood with the one before.
   *
   * @param {import('@starling-rt/client').Client} client
   */
  attach(client) {
    const since = this.channel?.position ?? '';
    const turn = ++this.turn;
    const channel = client.channel(this.name, since ? { since } : undefined);
    this.channel = channel;
    this.client = client;
    this.refusal = null;
    /**
     * @template {keyof import('@starling-rt/client').ChannelEvents} K
     * @param {K} event
     * @param {(e: import('@starling-rt/client').ChannelEvents[K]) => void} hear
     */
    const on = (event, hear) => channel.on(event, (e) => {
      if (turn !== this.turn) return;
      hear(e);
      this.around.changed();
    });
    on('publication', (p) => {
      this.ledger.add(p);
      if (this.ledger.trim()) this.earlier = '';
      if (p.key) this.around.outbox.remove(p.key); // it is in the log: acknowledged enough
    });
    on('signal', (s) => this.take(s));
    on('subscribed', () => {
      this.refusal = null;
      this.anew();
      void this.load();
    });
    on('recovered', () => this.recovered++);
    on('reset', (r) => {
      this.ledger.gap(r.reason);
      this.history = 'no';
      this.earlier = '';
      void this.load();
    });
    on('unsubscribed', (e) => (this.refusal = e.error));
    on('error', (e) => (this.refusal = e));
    for (const o of this.around.outbox.due(this.name)) this.send(o);
    for (const o of this.around.outbox.of(this.name)) if (o.refused) this.ledger.refuse(o.key, o.refused);
  }

  /** It is not followed any more. */
  leave() {
    this.turn++;
    this.channel?.unsubscribe();
  }

  /** @param {unknown} data */
  publish(data) {
    const o = this.around.outbox.add(this.around.key(), this.name, data);
    this.ledger.pend(o);
    this.around.changed();
    this.send(o);
  }

  /** @param {import('./outbox.js').Outgoing} o */
  send(o) {
    this.channel?.publish(o.data, { key: o.key }).then(
      (done) => {
        this.around.outbox.remove(o.key);
        this.ledger.acknowledge(o.key, done.offset);
      },
      (/** @type {import('@starling-rt/client').StarlingError} */ e) => {
        if (e.code === 0 || this.client?.state.name === 'failed') return; // the next client goes on
        const why = `${e.message} (${e.code} ${e.name})`;
        this.around.outbox.refuse(o.key, why);
        this.ledger.refuse(o.key, why);
      },
    ).finally(() => this.around.changed());
  }

  /** @param {string} key */
  discard(key) {
    this.around.outbox.remove(key);
    this.ledger.drop(key);
    this.around.changed();
  }

  /** Loads the newest of what the channel keeps. */
  async load() {
    if (this.history !== 'no') return;
    this.history = 'loading';
    const outcome = await this.look({ newest: true });
    if (outcome === 'past') return; // another look is under way
    this.history = outcome === 'seen' ? 'yes' : 'no';
    if (outcome === 'broken' && this.channel?.subscribed) setTimeout(() => void this.load(), AGAIN);
    this.around.changed();
  }

  /** Loads what came before what is shown. */
  async loadEarlier() {
    const { earlier } = this;
    if (!earlier) return;
    this.earlier = '';
    const outcome = await this.look({ before: earlier });
    if (outcome === 'past') return;
    if (outcome !== 'seen') this.earlier = earlier;
    this.around.changed();
  }

  /**
   * Takes a page of history into the ledger, and tells whether it did; 'past' is that
   * nobody wants it any more, 'refused' that the client may not see it.
   *
   * @param {import('@starling-rt/client').HistoryQuery} query
   * @returns {Promise<'seen' | 'broken' | 'refused' | 'past'>}
   */
  async look(query) {
    const { channel, ledger, turn } = this;
    const { life } = ledger;
    const stale = () => turn !== this.turn || life !== ledger.life;
    if (!channel) return 'broken';
    try {
      const page = await channel.history({ ...query, limit: PAGE });
      if (stale()) return 'past';
      for (const p of page.publications) {
        ledger.add(p);
        if (p.key) this.around.outbox.remove(p.key);
      }
      this.earlier = page.more ? page.position : '';
      return 'seen';
    } catch (e) {
      if (stale()) return 'past';
      const refused = /** @type {import('@starling-rt/client').StarlingError} */ (e);
      if (refused.code === 0 || refused.retry) return 'broken';
      this.refusal = refused;
      return 'refused';
    }
  }
}
