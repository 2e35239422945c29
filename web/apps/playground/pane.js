// One channel beside others: its messages, its pointers, where it stands.

import { Ledger } from './ledger.js';
import { Pad } from './pad.js';
import { Talk } from './talk.js';

/** How many publications a look back fetches. */
const PAGE = 100;
const AGAIN = 1_500;

/**
 * @typedef {object} Around
 * @property {import('./outbox.js').Outbox} outbox
 * @property {string} me the id of this window
 * @property {() => string} name
 * @property {() => string} key a new key
 * @property {() => void} changed
 * @property {(pane: Pane) => void} close
 */

export class Pane {
  /**
   * @param {string} name
   * @param {HTMLTemplateElement} template
   * @param {Around} around
   */
  constructor(name, template, around) {
    this.name = name;
    this.around = around;
    this.el = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
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
    this.build();
  }

  /**
   * @template {HTMLElement} T
   * @param {string} selector
   * @returns {T}
   */
  $(selector) {
    return /** @type {T} */ (this.el.querySelector(selector));
  }

  build() {
    const id = `pane-${this.name.replaceAll(/[^\w-]/g, (c) => `_${c.codePointAt(0)}_`)}`;
    this.el.dataset.channel = this.name;
    this.el.setAttribute('aria-labelledby', id);
    const title = this.$('h2');
    title.id = id;
    title.textContent = this.name;
    title.title = this.name;
    this.$('.log').setAttribute('aria-label', `Messages of ${this.name}`);
    const close = this.$('.close');
    close.setAttribute('aria-label', `Leave ${this.name}`);
    close.addEventListener('click', () => this.around.close(this));
    /** @type {HTMLTextAreaElement} */
    const text = this.$('textarea');
    text.setAttribute('aria-label', `Message to ${this.name}`);
    this.talk = new Talk({
      list: this.$('.messages'), scroller: this.$('.log'), newest: this.$('.newest'),
      edit: (key, was) => {
        this.discard(key);
        text.value = was;
        text.focus();
      },
      discard: (key) => {
        this.discard(key);
        text.focus();
      },
    });
    this.pad = new Pad({
      root: this.$('.pad'), me: this.around.me, name: this.around.name,
      send: (place) => this.channel?.signal(place, { conflate: this.around.me }),
      clear: () => this.channel?.clearSignal(this.around.me),
    });
    this.pad.area.setAttribute('aria-label', `Pointers on ${this.name}: move here, or use the arrow keys`);
    this.$('.earlier').addEventListener('click', () => void this.loadEarlier());
    this.$('form').addEventListener('submit', (e) => {
      e.preventDefault();
      if (!text.value.trim()) return;
      this.publish({ from: this.around.name(), text: text.value });
      text.value = '';
      text.focus();
    });
    text.addEventListener('keydown', (e) => {
      if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
      e.preventDefault();
      /** @type {HTMLFormElement} */ (this.$('form')).requestSubmit();
    });
  }

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
    on('signal', (s) => this.pad?.take(s));
    on('subscribed', () => {
      this.refusal = null;
      this.pad?.empty();
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
    this.el.remove();
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

  /** @param {boolean} connected */
  show(connected) {
    const live = connected && this.channel?.subscribed === true;
    const [state, word] = this.refusal ? ['refused', String(this.refusal.code || 'refused')] : live ? ['live', 'live'] : ['connecting', connected ? 'joining' : 'away'];
    const chip = this.$('.state');
    if (chip.dataset.state !== state) chip.dataset.state = state;
    put(this.$('.state-word'), word);
    const why = this.refusal ? `${this.refusal.message} (${this.refusal.code ? `${this.refusal.code} ` : ''}${this.refusal.name})` : '';
    put(this.$('.why'), why);
    this.$('.why').hidden = why === '';
    this.$('.empty').hidden = !(this.history === 'yes' && this.ledger.entries.length === 0);
    this.$('.earlier').hidden = this.earlier === '';
    this.$('.log').setAttribute('aria-busy', String(this.history === 'loading'));
    this.talk?.show(this.ledger);
  }
}

/**
 * @param {HTMLElement} el
 * @param {string} text
 */
export function put(el, text) {
  if (el.textContent !== text) el.textContent = text;
}
