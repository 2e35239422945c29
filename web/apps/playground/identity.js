// Who this window is: a token for a user with chosen verbs, made by a server in
// development, or nobody.

import { make } from './talk.js';

const VERBS = /** @type {const} */ (['subscribe', 'publish', 'signal', 'history']);

/** @typedef {{user: string, channels: Record<string, string[]>, expiresIn: number}} Who */

/**
 * Has a token made, and says in a sentence why if there is none.
 *
 * @param {Who} who
 * @returns {Promise<string>}
 */
export async function devToken(who) {
  const { user, channels, expiresIn } = who;
  const body = JSON.stringify({ user, expiresIn, ...(Object.keys(channels).length > 0 && { channels }) });
  const r = await fetch(new URL('dev/token', document.baseURI), { method: 'POST', body });
  const answer = await r.json().catch(() => null);
  if (r.ok && typeof answer?.token === 'string') return answer.token;
  if (r.status === 404) throw new Error('This server makes no tokens. Start it with --dev.');
  throw new Error(answer?.error?.message ?? `The server answered with ${r.status}.`);
}

export class Identity {
  /**
   * @param {{root: HTMLElement, user: string, enter: (who: Who | null) => Promise<void>}} o
   */
  constructor(o) {
    this.o = o;
    this.rules = /** @type {HTMLElement} */ (o.root.querySelector('.rules'));
    this.trouble = /** @type {HTMLElement} */ (o.root.querySelector('.trouble'));
    this.user = /** @type {HTMLInputElement} */ (o.root.querySelector('#user'));
    this.user.value = o.user;
    this.ends = /** @type {HTMLSelectElement} */ (o.root.querySelector('#ends'));
    this.add('chat*', ['subscribe', 'publish', 'signal', 'history']);
    o.root.querySelector('#add-rule')?.addEventListener('click', () => this.add('', ['subscribe']).focus());
    o.root.querySelector('form')?.addEventListener('submit', (e) => {
      e.preventDefault();
      void this.enter(this.who());
    });
    o.root.querySelector('#anonymous')?.addEventListener('click', () => void this.enter(null));
  }

  /**
   * @param {string} pattern
   * @param {string[]} verbs
   */
  add(pattern, verbs) {
    const row = make('fieldset', 'rule');
    row.append(make('legend', 'unseen', 'What the token grants'));
    const name = document.createElement('input');
    name.className = 'input';
    name.value = pattern;
    name.placeholder = 'chat:*';
    name.setAttribute('aria-label', 'Channel, or a beginning of names with * behind it');
    name.autocomplete = 'off';
    name.spellcheck = false;
    const remove = make('button', 'button small icon remove', '✕');
    remove.setAttribute('type', 'button');
    remove.setAttribute('aria-label', 'Remove what is granted here');
    remove.addEventListener('click', () => row.remove());
    const head = make('div', 'row');
    head.append(name, remove);
    const choices = make('div', 'verbs');
    for (const verb of VERBS) {
      const label = make('label', '');
      const box = document.createElement('input');
      box.type = 'checkbox';
      box.value = verb;
      box.checked = verbs.includes(verb);
      label.append(box, make('span', '', verb));
      choices.append(label);
    }
    row.append(head, choices);
    this.rules.append(row);
    return name;
  }

  /** @returns {Who} */
  who() {
    /** @type {Record<string, string[]>} */
    const channels = {};
    for (const row of this.rules.querySelectorAll('.rule')) {
      const pattern = /** @type {HTMLInputElement} */ (row.querySelector('input:not([type])')).value.trim();
      if (pattern) channels[pattern] = [...row.querySelectorAll('input:checked')].map((box) => /** @type {HTMLInputElement} */ (box).value);
    }
    return { user: this.user.value.trim(), channels, expiresIn: Number(this.ends.value) };
  }

  /** @param {Who | null} who */
  async enter(who) {
    this.trouble.textContent = '';
    if (who && !who.user) {
      this.trouble.textContent = 'A token is for a user: name one.';
      this.user.focus();
      return;
    }
    try {
      await this.o.enter(who);
    } catch (e) {
      this.trouble.textContent = e instanceof Error ? e.message : String(e);
    }
  }
}
