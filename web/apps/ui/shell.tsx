import type { ReactElement } from 'react';
import type { Page } from '../scripts/pages.js';
import { Icon } from './icon.js';

interface ShellProps {
  /** The way from the page to the server's root, with a slash at its end. */
  readonly root: string;
  readonly pages: readonly Page[];
}

const linked = (pages: readonly Page[], place: 'nav' | 'foot'): Page[] => pages.filter((p) => p.name && (p.place ?? 'nav') === place);

/** Whether a page is this one, or one below it. */
const within = (page: Page, p: Page): boolean => page.path === p.path || (p.path !== '' && page.path.startsWith(`${p.path}/`));

/**
 * The bar above every page: the mark, the navigation, a place for the page's own word (`#shell-slot`), the choice of light
 * and dark. It is plain HTML that works without code, but for the choice, which chrome.ts makes work.
 */
export function Header({ root, page, pages, mark }: ShellProps & { readonly page: Page; readonly mark: string }): ReactElement {
  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="shell">
        <div className="page shell-in">
          <a className="brand" href={root}><img src={mark} alt="" width="28" height="28" />Starling</a>
          <nav id="shell-nav" className="shell-nav" popover="auto" aria-label="Pages">
            <ul>
              {linked(pages, 'nav').map((p) => (
                <li key={p.path}><a href={root + p.path} aria-current={within(page, p) ? 'page' : undefined}>{p.name}</a></li>
              ))}
            </ul>
          </nav>
          <div className="shell-end">
            <div id="shell-slot" className="shell-slot" />
            <button className="button quiet icon" type="button" data-theme-choice="" aria-label="Colours: as the system has them">
              <span data-for="system"><Icon name="auto" size={18} /></span>
              <span data-for="light" hidden><Icon name="sun" size={18} /></span>
              <span data-for="dark" hidden><Icon name="moon" size={18} /></span>
            </button>
            <button className="button quiet icon shell-menu" type="button" popoverTarget="shell-nav" aria-label="Pages"><Icon name="menu" size={18} /></button>
          </div>
        </div>
      </header>
    </>
  );
}

/** What stands below every page. */
export function Foot({ root, pages }: ShellProps): ReactElement {
  return (
    <footer className="foot">
      <div className="page foot-in">
        <p>Starling, a real-time server. Apache 2.0.</p>
        <ul>
          {linked(pages, 'foot').map((p) => <li key={p.path}><a href={root + p.path}>{p.name}</a></li>)}
          <li><a href={`${root}sdk/starling.d.ts`}>SDK types</a></li>
          <li><a href={`${root}licenses.txt`}>Licences</a></li>
        </ul>
      </div>
    </footer>
  );
}
