import { type ReactElement, useEffect, useRef } from 'react';
import { colorOf, onColors } from '../ui/index.js';
import { fly, makeFlock } from './flock.js';
import type { Visitor } from './room.js';

const SPREAD = 4_500; // px² of sky for each bird
/** How long after its last move a pointer is shown with its name, in milliseconds. */
const NAMED = 6_000;
const MOST = 300;

/** What the sky asks who is there, each time that it paints. */
export interface SkyProps {
  readonly visitors: () => readonly Visitor[];
  /** Told where this visitor points, in parts of the sky. */
  readonly onPoint: (x: number, y: number) => void;
}

/**
 * The sky behind the title, with a flock that follows the pointers of all windows. It is only to look at. It rests while nobody
 * can see it, and for those who asked for less motion it stands still.
 */
export function Sky({ visitors, onPoint }: SkyProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ask = useRef(visitors);
  ask.current = visitors;
  useEffect(() => (canvas.current ? paintOn(canvas.current, () => ask.current()) : undefined), []);
  useEffect(() => {
    const sky = canvas.current?.closest<HTMLElement>('.hero');
    const moved = (e: PointerEvent): void => {
      const box = canvas.current?.getBoundingClientRect();
      if (!box) return;
      const [x, y] = [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
      if (x >= 0 && x <= 1 && y >= 0 && y <= 1) onPoint(x, y);
    };
    sky?.addEventListener('pointermove', moved, { passive: true });
    sky?.addEventListener('pointerdown', moved, { passive: true });
    return () => {
      sky?.removeEventListener('pointermove', moved);
      sky?.removeEventListener('pointerdown', moved);
    };
  }, [onPoint]);
  return <div className="sky" aria-hidden="true"><canvas ref={canvas} className="sky-flock" /></div>;
}

function paintOn(canvas: HTMLCanvasElement, visitors: () => readonly Visitor[]): () => void {
  const ctx = canvas.getContext('2d');
  if (!ctx) return () => {};
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let colours = readColours(canvas);
  let birds = makeFlock(0);
  let [width, height, seen, frame, last, t] = [0, 0, true, 0, 0, 0];

  const measure = (): void => {
    const scale = Math.min(2, devicePixelRatio);
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    const count = Math.min(MOST, Math.round((width * height) / SPREAD) + 40);
    if (birds.length !== count) birds = makeFlock(count);
  };
  const paint = (now: number): void => {
    frame = 0;
    const dt = last ? now - last : 16;
    last = now;
    if (!still.matches) {
      t += Math.min(dt, 50);
      fly(birds, t, dt, visitors(), Date.now());
    }
    ctx.clearRect(0, 0, width, height);
    ctx.fillStyle = colours.bird;
    for (const b of birds) {
      ctx.globalAlpha = 0.25 + b.near * 0.65;
      ctx.beginPath();
      ctx.arc(b.x * width, b.y * height, 0.7 + b.near * 1.15, 0, 7);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
    for (const v of visitors()) drawVisitor(ctx, v, width, height, colours);
    next();
  };
  const next = (): void => {
    if (!frame && seen && !document.hidden && !still.matches) frame = requestAnimationFrame(paint);
  };
  const again = (): void => {
    last = 0;
    if (still.matches || document.hidden) paint(performance.now());
    else next();
  };

  const size = new ResizeObserver(() => {
    measure();
    paint(performance.now());
  });
  const sight = new IntersectionObserver(([e]) => {
    seen = e?.isIntersecting ?? true;
    again();
  });
  const off = onColors(() => {
    colours = readColours(canvas);
    again();
  });
  // Who is still sees the others' pointers move, but no flock.
  const slowly = setInterval(() => {
    if (still.matches && seen && !document.hidden) paint(performance.now());
  }, 1_000);
  size.observe(canvas);
  sight.observe(canvas);
  document.addEventListener('visibilitychange', again);
  still.addEventListener('change', again);
  return () => {
    cancelAnimationFrame(frame);
    clearInterval(slowly);
    size.disconnect();
    sight.disconnect();
    off();
    document.removeEventListener('visibilitychange', again);
    still.removeEventListener('change', again);
  };
}

interface Colours {
  readonly bird: string;
  readonly ground: string;
  readonly hues: readonly string[];
  readonly face: string;
}

function readColours(near: HTMLElement): Colours {
  const parent = near.parentElement ?? near;
  return {
    bird: colorOf(parent, '--ink'), ground: colorOf(parent, '--raised'), face: getComputedStyle(parent).fontFamily,
    hues: Array.from({ length: 6 }, (_, i) => colorOf(parent, `--hue-${i}`)),
  };
}

function drawVisitor(ctx: CanvasRenderingContext2D, v: Visitor, width: number, height: number, c: Colours): void {
  // One sees one's own pointer; and one that rests is not worth a name over the text.
  if (v.me || Date.now() - v.moved > NAMED) return;
  const [x, y] = [v.x * width, v.y * height];
  const hue = c.hues[v.hue] ?? c.bird;
  ctx.fillStyle = hue;
  ctx.beginPath();
  ctx.arc(x, y, 5, 0, 7);
  ctx.fill();
  ctx.font = `600 12px ${c.face}`;
  const wide = ctx.measureText(v.name).width;
  const left = x + 12 + wide > width ? x - 20 - wide : x + 10;
  ctx.fillStyle = c.ground;
  ctx.globalAlpha = 0.85;
  ctx.beginPath();
  ctx.roundRect(left - 2, y - 22, wide + 12, 19, 5);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.fillStyle = hue;
  ctx.fillText(v.name, left + 4, y - 8);
}
