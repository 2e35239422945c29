// What this window has to publish, until the server has acknowledged it. It outlives
// a reload: an entry goes out again under the same key, and so is stored once.

/**
 * @typedef {{key: string, channel: string, data: unknown, created: number, refused?: string}} Outgoing
 *
 * @typedef {Pick<Storage, 'getItem' | 'setItem'>} Store
 */

/** The server knows keys for 24 hours; half of it is safe. */
export const KEEPS = 12 * 3600 * 1000;

const NAME = 'starling.outbox';

export class Outbox {
  /**
   * @param {Store} store
   * @param {() => number} [now]
   */
  constructor(store, now = Date.now) {
    this.store = store;
    this.now = now;
    /** @type {Outgoing[]} */
    this.list = [];
    try {
      this.list = JSON.parse(store.getItem(NAME) ?? '[]');
    } catch {
      // What cannot be read is not ours.
    }
  }

  /**
   * @param {string} key
   * @param {string} channel
   * @param {unknown} data
   */
  add(key, channel, data) {
    const o = { key, channel, data, created: this.now() };
    this.list.push(o);
    this.save();
    return o;
  }

  /**
   * What of a channel shall go out, in order. What has waited too long is marked as
   * refused on the way: the server may have forgotten its key.
   *
   * @param {string} channel
   */
  due(channel) {
    const due = [];
    for (const o of this.of(channel)) {
      if (o.refused) continue;
      if (this.now() - o.created < KEEPS) due.push(o);
      else this.refuse(o.key, 'It has waited for more than twelve hours, and may be there already.');
    }
    return due;
  }

  /** @param {string} key */
  remove(key) {
    const before = this.list.length;
    this.list = this.list.filter((o) => o.key !== key);
    if (this.list.length < before) this.save();
    return this.list.length < before;
  }

  /**
   * @param {string} key
   * @param {string} why
   */
  refuse(key, why) {
    const o = this.list.find((one) => one.key === key);
    if (o) o.refused = why;
    this.save();
  }

  /** @param {string} channel */
  of(channel) {
    return this.list.filter((o) => o.channel === channel);
  }

  save() {
    try {
      this.store.setItem(NAME, JSON.stringify(this.list));
    } catch {
      // A full or a forbidden storage: it is still in memory.
    }
  }
}
