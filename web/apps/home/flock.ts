// A flock on the sky, as values: where each bird is at a moment. It draws nothing and knows no clock.

/** One that the flock follows: a visitor's pointer. Places are parts of the sky's width and height, from 0 to 1. */
export interface Lead {
  readonly x: number;
  readonly y: number;
  /** When it has last moved, in milliseconds. */
  readonly moved: number;
}

/** A bird as it is drawn. */
export interface Bird {
  x: number;
  y: number;
  vx: number;
  vy: number;
  /** How near it is, from 0 to 1. */
  near: number;
  /** Its place within the flock, on a ball. */
  readonly home: readonly [number, number, number];
  readonly lag: number;
}

const STILL = 5_000; // ms without a move, after which a lead is not followed any more

/** Numbers between 0 and 1 from a seed, always the same. */
export function dice(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Makes a flock, spread as it is at a moment. */
export function makeFlock(count: number, seed = 7): Bird[] {
  const random = dice(seed);
  return Array.from({ length: count }, () => {
    const [a, z, r] = [random() * Math.PI * 2, random() * 2 - 1, Math.cbrt(random())];
    const flat = Math.sqrt(1 - z * z) * r;
    const bird: Bird = { x: 0, y: 0, vx: 0, vy: 0, near: 0.5, home: [Math.cos(a) * flat, z * r, Math.sin(a) * flat], lag: random() };
    [bird.x, bird.y, bird.near] = aim(bird, 0, roost(0));
    return bird;
  });
}

/** Where the flock goes when nobody leads it: a slow figure over the far side of the sky. */
export function roost(t: number): readonly [number, number] {
  const s = t / 1000;
  return [0.5 + 0.3 * Math.sin(s * 0.19) + 0.07 * Math.sin(s * 0.53), 0.36 + 0.17 * Math.sin(s * 0.31 + 1) + 0.05 * Math.cos(s * 0.71)];
}

/** Where a bird wants to be around a centre, and how near. The ball turns and is pressed flat and long, as flocks are. */
function aim(b: Bird, t: number, [cx, cy]: readonly [number, number]): [number, number, number] {
  const s = t / 1000;
  const turn = s * 0.33 + b.lag * 0.9;
  const [hx, hy, hz] = b.home;
  const x = hx * Math.cos(turn) - hz * Math.sin(turn);
  const z = hx * Math.sin(turn) + hz * Math.cos(turn);
  const wave = Math.sin(s * 1.1 + hx * 3 + b.lag * 2);
  return [cx + x * (0.17 + 0.05 * Math.sin(s * 0.23)) + b.lag * 0.06 * Math.sin(s * 0.4), cy + hy * (0.13 + 0.04 * Math.sin(s * 0.37 + 2)) + x * 0.1 * Math.sin(s * 0.29) + wave * 0.018, (z + 1) / 2];
}

/** Moves the flock on to a moment, `dt` milliseconds after the last. Birds share the leads among themselves. */
export function fly(birds: readonly Bird[], t: number, dt: number, leads: readonly Lead[], now: number): void {
  const led = leads.filter((l) => now - l.moved < STILL);
  const step = Math.min(dt, 50) / 1000;
  for (const [i, b] of birds.entries()) {
    const lead = led[i % Math.max(1, led.length)];
    const own = roost(t - b.lag * 1500);
    const centre: readonly [number, number] = lead ? [lead.x * 0.85 + own[0] * 0.15, lead.y * 0.85 + own[1] * 0.15] : own;
    const [ax, ay, near] = aim(b, t, centre);
    const pull = 5 + b.lag * 5;
    b.vx += ((ax - b.x) * pull - b.vx * 3.2) * step;
    b.vy += ((ay - b.y) * pull - b.vy * 3.2) * step;
    b.x += b.vx * step;
    b.y += b.vy * step;
    b.near = near;
  }
}
