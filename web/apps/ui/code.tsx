import { type ReactElement, useEffect, useRef, useState } from 'react';
import { Button } from './button.js';

const WORDS = 'async await break case class const default defer else export for from func function go if import in interface let new of package range return struct switch type var while with';
const TOKENS = new RegExp([
  /(\/\/.*|^\s*#(?!include).*|\s# .*|<!--[\s\S]*?-->)/.source,
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)/.source,
  `\\b(${WORDS.replaceAll(' ', '|')})\\b`,
].join('|'), 'gm');

/** Words, texts and remarks of a code, told apart roughly; in plain text nothing is. */
function parts(code: string, lang: string): (string | ReactElement)[] {
  if (lang === 'text') return [code];
  const out: (string | ReactElement)[] = [];
  let at = 0;
  for (const m of code.matchAll(TOKENS)) {
    const kind = m[1] !== undefined ? 'remark' : m[2] !== undefined ? 'text' : 'word';
    if (kind === 'word' && lang === 'shell') continue;
    out.push(code.slice(at, m.index), <span key={m.index} className={kind}>{m[0]}</span>);
    at = m.index + m[0].length;
  }
  out.push(code.slice(at));
  return out;
}

/** A button that puts a text where it can be pasted from, and says whether it could. */
export function CopyButton({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }): ReactElement {
  const [word, setWord] = useState('');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    const done = await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Not allowed');
    setWord(done);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setWord(''), 1_600);
  };
  return (
    <>
      <Button size="small" look="quiet" icon={word === 'Copied' ? 'check' : 'copy'} aria-label={label} onClick={() => void copy()}>{word || 'Copy'}</Button>
      <span className="unseen" role="status">{word}</span>
    </>
  );
}

/** Code with what it is called and a button to copy it. */
export function CodeBlock({ code, label, lang = 'js', wrap = false }: { readonly code: string; readonly label: string; readonly lang?: 'js' | 'go' | 'shell' | 'html' | 'json' | 'text'; readonly wrap?: boolean }): ReactElement {
  return (
    <div className="code">
      <div className="code-bar"><span>{label}</span><CopyButton text={code} label={`Copy: ${label}`} /></div>
      <pre className={wrap ? 'wrap' : undefined} tabIndex={0} role="group" aria-label={label} dir="ltr"><code>{parts(code, lang)}</code></pre>
    </div>
  );
}
