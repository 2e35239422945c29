import type { TransportName } from '../machine.js';
import type { Frame } from '../wire.js';
import type { Faults } from './faults.js';
import type { Insides } from './index.js';
import { sheet } from './style.js';

/** How many frames and states are shown. */
const MOST = 200;
const TRANSPORTS: readonly TransportName[] = ['websocket', 'sse', 'poll'];

/** Makes an element. Text is set as text: what comes over the wire is nobody's markup. */
function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Readonly<Record<string, string>> = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Frames may hold tokens, which are nothing for a screen that is shared. */
const discreet = (text: string): string => text.replace(/("token":")[^"]*|([?&]token=)[^&\s]*/g, (_, json: string | undefined, query: string | undefined) => `${json ?? query}…`);

/** Where there are no elements the module can be imported all the same, such as on a server that renders pages. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** @internal */
export class Panel extends Base {
  readonly #root = this.attachShadow({ mode: 'open' });
  readonly #state = make('output', { class: 'state', 'aria-live': 'polite' });
  readonly #facts = make('span', { class: 'facts' });
  readonly #states = make('ol', { class: 'log', tabindex: '0', 'aria-label': 'States' });
  readonly #frames = make('ol', { class: 'log', tabindex: '0', 'aria-label': 'Frames' });
  readonly #channels = make('tbody');
  readonly #note = make('p', { class: 'note' });
  readonly #faults = make('fieldset');
  #offs: (() => void)[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Shows a client. */
  begin(insides: Insides, faults: Faults, close: () => void): void {
    this.#root.adoptedStyleSheets = [sheet()];
    const shut = make('button', { type: 'button', 'aria-label': 'Close the devtools' }, '×');
    shut.addEventListener('click', close);
    this.addEventListener('keydown', (e) => {
      if (e.key === 'Escape') close();
    });
    this.#fill(faults);
    const head = ['Channel', 'State', 'Offset', 'Position', 'Came again'].map((name) => make('th', { scope: 'col' }, name));
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...head)), this.#channels);
    const section = (name: string, ...content: Node[]): HTMLElement => make('section', { 'aria-label': name }, make('h2', {}, name), ...content);
    this.#root.replaceChildren(make('div', { class: 'panel', role: 'region', 'aria-label': 'Starling devtools' },
      make('header', {}, make('strong', {}, 'Starling'), this.#state, this.#facts, shut),
      make('div', { class: 'body' },
        section('Faults', this.#faults, this.#note), section('Channels', make('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Channels' }, table)), section('States', this.#states), section('Frames', this.#frames))));
    const refresh = (): void => this.#refresh(insides, faults);
    this.#offs = [
      insides.client.on('state', (s) => {
        this.#log(this.#states, insides.env.now(), s.name, 'reason' in s && s.reason && typeof s.reason === 'object' ? s.reason.message : 'transport' in s ? (s.transport ?? '') : '');
        refresh();
      }),
      insides.frames((f) => this.#frame(insides.env.now(), f)),
    ];
    this.#timer = setInterval(refresh, 500);
    refresh();
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
    for (const off of this.#offs.splice(0)) off();
  }

  #fill(faults: Faults): void {
    const button = (name: string, title: string, f: () => void): HTMLElement => {
      const b = make('button', { type: 'button', title }, name);
      b.addEventListener('click', f);
      return b;
    };
    const delay = make('input', { type: 'number', min: '0', max: '10000', step: '100', value: '0' });
    delay.addEventListener('input', () => {
      faults.delay = Math.min(10_000, Math.max(0, delay.valueAsNumber || 0));
    });
    const blocks = TRANSPORTS.map((transport) => {
      const box = make('input', { type: 'checkbox', name: transport });
      box.addEventListener('change', () => faults.block(transport, box.checked));
      return make('label', {}, box, ` block ${transport}`);
    });
    this.#faults.append(
      make('legend', {}, 'Do harm'),
      button('Drop connection', 'Breaks the connection', () => faults.drop()),
      button('Lose frames', 'Loses the next frame and all that follow on its connection, until that is found to be dead', () => faults.lose()),
      button('Expire token', 'Ends the session as the server does when its token ends', () => faults.expire()),
      make('label', {}, 'delay ', delay, ' ms'), ...blocks,
    );
  }

  #refresh({ client, subscriptions, latency }: Insides, faults: Faults): void {
    const { state } = client;
    this.#state.textContent = state.name;
    this.#state.dataset.state = state.name;
    const ms = latency();
    this.#facts.textContent = [state.name === 'connected' ? state.transport : '', client.user && `as ${client.user}`, ms === null ? '' : `${Math.round(ms)} ms`].filter(Boolean).join(' · ');
    const elsewhere = state.name === 'connected' && !faults.any;
    this.#faults.disabled = elsewhere;
    this.#note.textContent = elsewhere ? 'Another tab has the connection: open the devtools there to do it harm.' : '';
    this.#channels.replaceChildren(...[...subscriptions()].map((s) => make('tr', {}, make('th', { scope: 'row' }, s.channel), ...[s.state, String(s.cursor.last || ''), s.position, String(s.doubles)].map((t) => make('td', {}, t)))));
  }

  #frame(now: number, { direction, transport, kind, text }: Frame): void {
    this.#log(this.#frames, now, `${direction === 'in' ? '↓' : '↑'} ${kind}`, discreet(text), `${direction}, ${transport}`);
  }

  #log(list: HTMLElement, now: number, what: string, more: string, title = ''): void {
    const time = new Date(now).toISOString().slice(11, 23);
    const bottom = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
    list.append(make('li', { ...(title && { title }) }, make('time', {}, time), make('b', {}, what), make('code', {}, more)));
    while (list.childElementCount > MOST) list.firstElementChild?.remove();
    if (bottom) list.scrollTop = list.scrollHeight;
  }
}
