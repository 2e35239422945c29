// What looks at the pages finds what it shall find: each fault is put into a page that is otherwise right.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { inspect } from '../lib/inspect.js';
import { Server } from '../lib/server.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Looks at the page for what is not there, the smallest, with something put into it, and a script from its own server. */
async function look({ html = '', script = '', headers = {}, width = 360 }) {
  const prepare = async (page) => {
    await page.route('**/fault.js', (route) => route.fulfill({ contentType: 'text/javascript', body: script }));
    await page.route('**/fault', async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace('</main>', `${html}</main><script src="/fault.js"></script>`);
      await route.fulfill({ response, status: 200, body, headers: { ...response.headers(), ...headers } });
    });
  };
  return (await inspect(browser, `${server.url}/fault`, { width, colorScheme: 'light', prepare })).faults;
}

test('the page is right without a fault', async () => {
  assert.deepEqual(await look({}), []);
});

for (const [name, kind, fault] of [
  ['a picture without a text', 'axe: image-alt', { html: '<img src="/ui/mark.svg" width="9" height="9">' }],
  ['a text that can hardly be read', 'axe: color-contrast', { html: '<p style="color: #bbb; background: #fff">faint</p>' }],
  ['something wider than a phone', 'wide: ', { html: '<div style="inline-size: 400px; block-size: 9px"></div>' }],
  ['something that pushes the page down', 'shift: ', { script: 'addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => { const e = document.createElement("p"); e.style.blockSize = "300px"; document.querySelector("main").prepend(e); })))' }],
  ['an error in the console', 'console: it went wrong', { script: 'console.error("it went wrong")' }],
  ['an exception', 'console: Error: thrown', { script: 'throw new Error("thrown")' }],
  ['a script in the page', 'policy: script-src', { html: '<script>window.inline = true</script>' }],
  ['a picture from elsewhere', 'policy: img-src', { html: '<img alt="" src="http://example.invalid/x.png" width="1" height="1">' }],
  ['a picture from elsewhere, where no policy is in the way', 'foreign: http://example.invalid', { html: '<img alt="" src="http://example.invalid/x.png" width="1" height="1">', headers: { 'content-security-policy': '' } }],
  ['a layer with a button that has no name', 'axe: button-name', { html: '<button type="button" popovertarget="fault">Open</button><div id="fault" popover><button type="button"></button></div>' }],
  ['a fold that is too wide when it is open', 'wide: ', { html: '<details><summary>More</summary><div style="inline-size: 500px">wide</div></details>' }],
]) {
  test(`it finds ${name}`, async () => {
    const faults = await look(fault);
    assert.ok(faults.some((f) => f.startsWith(kind)), `found ${JSON.stringify(faults)}, want one that begins with ${JSON.stringify(kind)}`);
  });
}
