/** The address of the server that a page came from, with the path under which it is mounted. Built code stands in assets/ below it. */
export function serverURL(): string {
  const here = import.meta.url;
  return import.meta.env.DEV ? new URL('/', here).href : new URL('..', here).href;
}
