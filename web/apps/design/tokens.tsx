import type { ReactElement } from 'react';
import { Icon, iconNames } from '../ui/index.js';
import { Part, Specimen } from './page.js';

const COLOURS = {
  Grounds: ['sunk', 'paper', 'surface', 'raised'],
  Ink: ['ink', 'muted', 'faint', 'line', 'edge'],
  Plumage: ['accent', 'accent-deep', 'accent-wash', 'beak'],
  Meaning: ['good', 'good-wash', 'warn', 'warn-wash', 'bad', 'bad-wash', 'note', 'note-wash'],
  Series: ['hue-0', 'hue-1', 'hue-2', 'hue-3', 'hue-4', 'hue-5'],
} as const;

const TYPE = [
  ['6', 'Every window, the same moment'], ['5', 'Every window, the same moment'], ['4', 'A channel is an ordered log'],
  ['3', 'A subscriber is a position, not a queue.'], ['2', 'The size that most is read in, with 1.55 between its lines.'], ['1', 'Labels, tables, and what stands beside.'], ['0', 'Marks, ticks, and keys.'],
] as const;

/** Colours, type, space, corners, elevation and motion. */
export function Tokens(): ReactElement {
  return (
    <Part id="tokens" title="Tokens" says="Custom properties on the root. A colour has both of its values in one line.">
      {Object.entries(COLOURS).map(([group, names]) => (
        <Specimen key={group} name={group}>
          <div className="swatches">
            {names.map((n) => <div key={n} className="swatch"><i style={{ background: `var(--${n})` }} /><code>--{n}</code></div>)}
          </div>
        </Specimen>
      ))}
      <Specimen name="Type">
        <div>
          {TYPE.map(([n, text]) => (
            <div key={n} className="type-row">
              <code className="eyebrow">--text-{n}</code>
              <span style={{ fontSize: `var(--text-${n})`, ...(Number(n) > 3 && { fontFamily: 'var(--display)', fontWeight: 660, lineHeight: 1.15, letterSpacing: '-.02em' }) }}>{text}</span>
            </div>
          ))}
          <div className="type-row"><code className="eyebrow">--mono</code><span className="mono">offset 1204, position AQx3…</span></div>
        </div>
      </Specimen>
      <div className="specimens">
        <Specimen name="Space">
          <div className="steps">{[1, 2, 3, 4, 5, 6, 7].map((n) => <div key={n} className="step"><i style={{ inlineSize: `var(--space-${n})`, blockSize: `var(--space-${n})` }} />{n}</div>)}</div>
        </Specimen>
        <Specimen name="Corners and elevation">
          <div className="steps">{[1, 2, 3].map((n) => <div key={n} className="step"><i className="sheet" style={{ borderRadius: `var(--radius-${n})`, boxShadow: `var(--lift-${n})` }} />radius {n}, lift {n}</div>)}</div>
        </Specimen>
      </div>
      <Specimen name="Icon">
        <div className="icons">{iconNames.map((n) => <div key={n}><Icon name={n} size={20} />{n}</div>)}</div>
      </Specimen>
    </Part>
  );
}
