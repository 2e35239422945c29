import type { ReactElement } from 'react';

/** Each icon as strokes in a square of 16, one path. */
const PATHS = {
  arrow: 'M3 8h10M9 4l4 4-4 4',
  auto: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1 1.5H3zM6.8 14.2h2.4',
  bolt: 'M9 2 4 9h3.5L7 14l5-7H8.5z',
  check: 'm3 8.5 3.2 3.2L13 4.8',
  close: 'm4 4 8 8M12 4l-8 8',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  cut: 'm5.5 5.5 5 5M10.5 5.5l-5 5M2 8h1.5M12.5 8H14M8 2v1.5M8 12.5V14',
  down: 'm4 6 4 4 4-4',
  info: 'M8 7.2v4M8 4.8v.1M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'm5 3 7.5 5L5 13z',
  plus: 'M8 3v10M3 8h10',
  reset: 'M3 8a5 5 0 1 0 1.5-3.6L3 6M3 2.8V6h3.2',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2',
  sun: 'M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9',
  trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9M7 7v4M9 7v4',
  users: 'M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5a4.5 4.5 0 0 1 9 0M10.5 2.8a2.5 2.5 0 0 1 0 4.4M12.2 9.6a4.5 4.5 0 0 1 2.3 3.9',
  warn: 'M8 2.2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1',
  window: 'M2.5 3.5h8v6h-8zM5.5 12.5h8v-6',
} as const;

/** What an icon is called. */
export type IconName = keyof typeof PATHS;

/** The icons there are. */
export const iconNames = Object.keys(PATHS) as readonly IconName[];

/** An icon in the colour of the text around it. It says nothing to a screen reader: what it is beside does. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }): ReactElement {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
