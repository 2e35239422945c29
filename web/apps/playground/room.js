// The client of this window, and the channels that it follows.

import { createClient } from '@starling-rt/client';
import { Frames } from './frames.js';
import { devToken } from './identity.js';
import { Pane } from './pane.js';

/** @typedef {'auto' | import('@starling-rt/client').TransportName} Choice */

/** @param {Choice} choice @returns {import('@starling-rt/client').TransportName[]} */
const ladder = (choice) => (choice === 'auto' ? ['websocket', 'sse', 'poll'] : [choice]);

export class Room {
  /**
   * @param {{choice: Choice, template: HTMLTemplateElement, place: HTMLElement, around: import('./pane.js').Around}} o
   */
  constructor(o) {
    this.o = o;
    this.choice = o.choice;
    this.frames = new Frames();
    /** @type {Pane[]} */
    this.panes = [];
    /** @type {import('./identity.js').Who | null} */
    this.who = null;
    this.tokens = 0; // that were made for it
    this.trouble = '';
    this.client = this.make();
  }

  make() {
    const { who } = this;
    let first = who ? this.first : '';
    const client = createClient({
      tabs: false, // each window shall show its own connection
      url: new URL('.', document.baseURI).href,
      transports: ladder(this.choice),
      onFrame: (f) => {
        this.frames.add(f.direction, f.kind, f.text);
        this.o.around.changed();
      },
      ...(who && {
        getToken: async () => {
          const token = first || (await devToken(who));
          first = '';
          this.tokens++;
          return token;
        },
      }),
    });
    client.on('state', () => {
      this.trouble = '';
      this.o.around.changed();
    });
    client.on('user', () => this.o.around.changed());
    client.on('error', (e) => {
      this.trouble = `${e.message} (${e.code ? `${e.code} ` : ''}${e.name})`;
      this.o.around.changed();
    });
    return client;
  }

  first = ''; // the token that was made when the user was chosen

  /**
   * Goes on as somebody else, from where the channels stand.
   *
   * @param {import('./identity.js').Who | null} who
   */
  async enter(who) {
    this.first = who ? await devToken(who) : '';
    this.who = who;
    this.tokens = 0;
    this.client.disconnect();
    this.client = this.make();
    for (const pane of this.panes) pane.attach(this.client);
    this.client.connect();
    this.o.around.changed();
  }

  /** @param {Choice} choice */
  use(choice) {
    this.choice = choice;
    this.client.use(ladder(choice));
  }

  /** @param {string} name */
  open(name) {
    if (this.panes.some((p) => p.name === name)) return;
    const pane = new Pane(name, this.o.template, this.o.around);
    this.panes.push(pane);
    this.o.place.append(pane.el);
    pane.attach(this.client);
    this.o.around.changed();
  }

  /** @param {Pane} pane */
  close(pane) {
    this.panes = this.panes.filter((p) => p !== pane);
    pane.leave();
    this.o.around.changed();
  }
}
