// One channel beside others: its messages, its pointers, where it stands.

import { Conversation } from './conversation.js';
import { Pad } from './pad.js';
import { Talk } from './talk.js';

/**
 * @typedef {import('./conversation.js').Surroundings & {name: () => string, close: (pane: Pane) => void}} Around
 */

export class Pane extends Conversation {
  /**
   * @param {string} name
   * @param {HTMLTemplateElement} template
   * @param {Around} around
   */
  constructor(name, template, around) {
    super(name, around);
    this.page = around;
    this.el = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
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
    close.addEventListener('click', () => this.page.close(this));
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
      root: this.$('.pad'), me: this.around.me, name: this.page.name,
      send: (place) => this.channel?.signal(place, { conflate: this.around.me }),
      clear: () => this.channel?.clearSignal(this.around.me),
    });
    this.pad.area.setAttribute('aria-label', `Pointers on ${this.name}: move here, or use the arrow keys`);
    this.$('.earlier').addEventListener('click', () => void this.loadEarlier());
    this.$('form').addEventListener('submit', (e) => {
      e.preventDefault();
      if (!text.value.trim()) return;
      this.publish({ from: this.page.name(), text: text.value });
      text.value = '';
      text.focus();
    });
    text.addEventListener('keydown', (e) => {
      if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
      e.preventDefault();
      /** @type {HTMLFormElement} */ (this.$('form')).requestSubmit();
    });
  }

  /** @override @param {import('@starling-rt/client').Signal} signal */
  take(signal) {
    this.pad?.take(signal);
  }

  /** @override */
  anew() {
    this.pad?.empty();
  }

  /** @override */
  leave() {
    super.leave();
    this.el.remove();
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
