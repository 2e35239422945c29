/** @internal A style sheet of its own, which a content security policy for styles does not keep out. */
export function sheet(): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(`
:host { all: initial; color-scheme: light dark; --ink: #1d2430; --soft: #5a6577; --paper: #fff; --line: #d8dee8; --accent: #2456c7; --good: #146c43; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :host { --ink: #e8ecf3; --soft: #a5b0c2; --paper: #161b24; --line: #323b4b; --accent: #8fb2ff; --good: #6fd3a2; --bad: #ff9b93; } }
.panel { position: fixed; inset: auto 0 0; z-index: 2147483000; block-size: min(46vh, 26rem); display: flex; flex-direction: column; font: 13px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); border-block-start: 2px solid var(--accent); }
header { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: center; padding: .4rem .75rem; border-block-end: 1px solid var(--line); }
header button { margin-inline-start: auto; }
.state { font-weight: 600; color: var(--bad); }
.state[data-state=connected] { color: var(--good); }
.facts, .note { color: var(--soft); }
.note { margin: .5rem 0 0; }
.body { flex: 1; min-block-size: 0; display: grid; grid-template: minmax(0, 1fr) minmax(0, 1fr) / minmax(15rem, 2fr) 3fr; overflow: auto; }
section { min-inline-size: 0; min-block-size: 0; display: flex; flex-direction: column; padding: .4rem .75rem; border: 0 solid var(--line); border-block-end-width: 1px; }
section:nth-child(even) { border-inline-start-width: 1px; }
h2 { margin: 0 0 .25rem; font: inherit; font-weight: 600; color: var(--soft); }
fieldset { margin: 0; padding: 0; border: 0; display: flex; flex-wrap: wrap; gap: .4rem .75rem; align-items: center; }
fieldset:disabled { opacity: .6; }
legend { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
button { font: inherit; color: var(--ink); background: transparent; border: 1px solid var(--soft); border-radius: .4rem; padding: .15rem .6rem; cursor: pointer; }
button:hover:enabled { border-color: var(--accent); color: var(--accent); }
input[type=number] { inline-size: 5.5rem; font: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.log, .scroll { flex: 1; min-block-size: 0; margin: 0; padding: 0; overflow: auto; list-style: none; }
li { display: flex; gap: .6rem; white-space: nowrap; }
time { color: var(--soft); font-variant-numeric: tabular-nums; }
b { font-weight: 600; min-inline-size: 7.5rem; }
code, td:nth-child(4) { font: 12px/1.5 ui-monospace, monospace; }
table { inline-size: 100%; border-collapse: collapse; }
th, td { text-align: start; font-weight: 400; padding: .1rem .75rem .1rem 0; white-space: nowrap; }
thead th { color: var(--soft); }
@media (width < 44rem) { .panel { block-size: 60vh; } .body { display: block; } .log, .scroll { max-block-size: 12rem; } section:nth-child(even) { border-inline-start-width: 0; } }
`);
  return made;
}
