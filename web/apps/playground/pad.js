// A pad on which everybody sees where the others point: signals that are conflated by
// window, so that what arrives is always the newest place and never a backlog.

import { hueOf } from './names.js';
import { make } from './talk.js';

const HUES = 6;
const STEP = 0.04;

/** @typedef {{x: number, y: number, name: string}} Place */

/** @param {unknown} data */
function placeOf(data) {
  const d = /** @type {any} */ (data);
  if (!d || typeof d.x !== 'number' || typeof d.y !== 'number') return null;
  /** @param {number} n */
  const within = (n) => Math.min(1, Math.max(0, n));
  return { x: within(d.x), y: within(d.y), name: typeof d.name === 'string' ? d.name : 'somebody' };
}

export class Pad {
  /**
   * @param {{root: HTMLElement, me: string, name: () => string, send: (place: Place) => void, clear: () => void}} o
   */
  constructor(o) {
    this.o = o;
    this.sent = 0;
    this.received = 0;
    this.at = { x: 0.5, y: 0.5 };
    /** @type {Map<string, HTMLElement>} */
    this.dots = new Map();
    this.area = /** @type {HTMLElement} */ (o.root.querySelector('.area'));
    this.counts = /** @type {HTMLElement} */ (o.root.querySelector('.counts'));
    this.area.addEventListener('pointermove', (e) => this.point(e));
    this.area.addEventListener('pointerdown', (e) => this.point(e));
    this.area.addEventListener('pointerleave', () => o.clear());
    this.area.addEventListener('keydown', (e) => this.key(e));
    this.area.addEventListener('blur', () => o.clear());
  }

  /** @param {PointerEvent} e */
  point(e) {
    const box = this.area.getBoundingClientRect();
    this.go((e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height);
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const [dx = 0, dy = 0] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[e.key] ?? [0, 0];
    if (!dx && !dy) return;
    e.preventDefault();
    this.go(this.at.x + dx, this.at.y + dy);
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  go(x, y) {
    /** @param {number} n */
    const round = (n) => Math.round(Math.min(1, Math.max(0, n)) * 1000) / 1000;
    this.at = { x: round(x), y: round(y) };
    this.sent++;
    this.o.send({ ...this.at, name: this.o.name() });
    this.count();
  }

  /** @param {import('@starling-rt/client').Signal} s */
  take(s) {
    if (!s.conflate) return;
    this.received++;
    const place = s.deleted ? null : placeOf(s.data);
    if (!place) {
      this.dots.get(s.conflate)?.remove();
      this.dots.delete(s.conflate);
    } else {
      const dot = this.dots.get(s.conflate) ?? this.dot(s.conflate, place.name);
      dot.style.setProperty('--x', String(place.x));
      dot.style.setProperty('--y', String(place.y));
      dot.classList.toggle('west', place.x > 0.6);
    }
    this.count();
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  dot(key, name) {
    const dot = make('span', `dot hue-${hueOf(name, HUES)}`);
    dot.append(make('i', ''), make('b', '', key === this.o.me ? `${name} (you)` : name));
    this.dots.set(key, dot);
    this.area.append(dot);
    return dot;
  }

  /** Forgets who pointed: the next subscription is told anew. */
  empty() {
    for (const dot of this.dots.values()) dot.remove();
    this.dots.clear();
  }

  count() {
    this.counts.textContent = `${this.sent} moves, ${this.received} signals in`;
  }
}
