// The newest frames both ways, and how many there were.

/** @typedef {{n: number, way: 'in' | 'out', kind: string, text: string, bytes: number, time: number}} Frame */

/** How many frames are kept. */
export const MOST = 200;

const encoder = new TextEncoder();

export class Frames {
  constructor() {
    /** @type {Frame[]} */
    this.list = [];
    this.in = { frames: 0, bytes: 0 };
    this.out = { frames: 0, bytes: 0 };
    this.n = 0;
  }

  /**
   * @param {'in' | 'out'} way
   * @param {string} kind
   * @param {string} text
   */
  add(way, kind, text) {
    const bytes = encoder.encode(text).length;
    this[way].frames++;
    this[way].bytes += bytes;
    this.list.push({ n: ++this.n, way, kind, text, bytes, time: Date.now() });
    if (this.list.length > MOST) this.list.shift();
  }
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
