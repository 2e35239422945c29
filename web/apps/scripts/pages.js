// The list of pages, which is what the navigation, the home page, the build and the tests of all pages go by.

import { readFileSync } from 'node:fs';

/**
 * A page that the server has with --apps.
 *
 * @typedef {object} Page
 * @property {string} path its address below the server's, such as "lab" or "lab/ticker"; "" is the home page
 * @property {string} title of its window
 * @property {string} [name] as it is called in the navigation
 * @property {string} says in a sentence what it is
 * @property {string} [component] the module whose default export is rendered into #app when the page is built
 * @property {'full'} [layout] it takes the whole window and has no foot
 * @property {'nav' | 'foot' | 'none'} [place] where links to it stand: the navigation unless told
 * @property {true} [elsewhere] it is not made here, such as the documentation
 */

/** @type {Page[]} */
export const pages = JSON.parse(readFileSync(new URL('../pages.json', import.meta.url), 'utf8'));

/**
 * The file that a page is made of.
 *
 * @param {Page} page
 */
export const fileOf = (page) => `${page.path || 'index'}.html`;
