import { type ComponentType, createElement } from 'react';
import { renderToString, renderToStaticMarkup } from 'react-dom/server';
import type { Page } from '../scripts/pages.js';
import { Foot, Header } from './shell.js';

/** What a page is framed with. */
export interface Frame {
  /** The files of the frame by what they are. */
  readonly files: Readonly<Record<'style' | 'script' | 'mark' | 'font', string>>;
  /** Whether they are sources, as the development server has them. */
  readonly source: boolean;
  /** The way from the page to the server's root, with a slash at its end. */
  readonly root: string;
  readonly page: Page;
  readonly pages: readonly Page[];
  /** What the page has in its head beside what all have. */
  readonly head: string;
  readonly body: string;
}

/** The whole of a page. It runs when pages are built, never in a browser. */
export function frameOf({ files, source, root, page, pages, head, body }: Frame): string {
  const full = page.layout === 'full';
  const header = renderToStaticMarkup(<Header root={root} page={page} pages={pages} mark={root + files.mark} />);
  const foot = full ? '' : renderToStaticMarkup(<Foot root={root} pages={pages} />);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f3f6f5">
<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0f1519">
<meta name="description" content="${page.says}">
<title>${page.title}</title>
<link rel="icon" href="${root}${files.mark}" type="image/svg+xml">
<link rel="preload" href="${root}${files.font}" as="font" type="font/woff2" crossorigin>
<link rel="stylesheet" href="${root}${files.style}">
<script${source ? ' type="module"' : ''} src="${root}${files.script}"></script>
${head.replace(/<meta charset="utf-8">\s*/, '')}
</head>
<body${full ? ' class="full"' : ''}>
${header}
<main id="main" tabindex="-1">
${body}
</main>
${foot}
</body>
</html>
`;
}

/** What a page's component shows before there is a browser. */
frameOf.render = (component: ComponentType): string => renderToString(createElement(component));
