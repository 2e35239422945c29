import { type Channel, type Client, createClient, type Signal, type TransportName } from '@starling-rt/client';
import { Conversation } from '../playground/conversation.js';
import { hueOf as hueNumber, randomId, randomName } from '../playground/names.js';
import { Outbox } from '../playground/outbox.js';
import { serverURL } from '../ui/index.js';

/** What a visitor has chosen to be connected over. */
export type Choice = 'auto' | TransportName;

/** A window that has this page open. */
export interface Visitor {
  readonly key: string;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly hue: number;
  readonly me: boolean;
  /** When its pointer has last moved, in milliseconds. */
  readonly moved: number;
  /** When the server has last heard of it, by the server's clock. */
  readonly heard: number;
}

const BEAT = 8_000; // ms between two signs of life
const GONE = 20_000; // ms without one, after which a window is not there any more
const ASK = 2_000; // ms between two measurements
const KEPT = 60; // measurements
const POINT = 50; // ms between two places of a pointer

type Ledger = Conversation['ledger'];

/** An entry of the conversation, as the page shows it. */
export type Entry = Ledger['entries'][number];

/** What the page shows of the room at a moment. */
export interface RoomView {
  readonly entries: readonly Entry[];
  readonly earlier: boolean;
  readonly loaded: boolean;
  readonly subscribed: boolean;
  readonly refusal: string;
  readonly choice: Choice;
  readonly name: string;
  readonly windows: number;
  /** Times from a question to its answer, in milliseconds, oldest first. */
  readonly trips: readonly number[];
  /** How often it came back and had missed nothing, and how many came again then and were dropped. */
  readonly back: number;
  readonly twice: number;
}

/** What is kept for the life of this window. */
function kept(name: string, begin: () => string): string {
  try {
    const value = sessionStorage.getItem(name) ?? begin();
    sessionStorage.setItem(name, value);
    return value;
  } catch {
    return begin();
  }
}

const ladder = (choice: Choice): TransportName[] => (choice === 'auto' ? ['websocket', 'sse', 'poll'] : [choice]);

/** What this window has to do with the server: the conversation, who else is here, and how long the way is. */
export class Room {
  readonly client: Client;
  readonly #talk: Conversation;
  /** Where the windows tell where they point: signals only, beside the conversation. */
  readonly #flock: Channel;
  readonly #me: string;
  readonly #listeners = new Set<() => void>();
  readonly #visitors = new Map<string, Visitor>();
  #choice: Choice;
  #name: string;
  #at = { x: 0.5, y: 0.4 };
  #skew = 0; // the server's clock less ours
  #pointing: ReturnType<typeof setTimeout> | undefined;
  #trips: readonly number[] = [];
  #timers: ReturnType<typeof setInterval>[] = [];
  #scheduled = false;
  #view: RoomView;

  constructor(channel: string, choice: Choice) {
    this.#me = kept('starling.window', () => randomId(9));
    this.#name = kept('starling.name', randomName);
    this.#choice = choice;
    // Each window shall have its own connection, for that is what there is to see.
    this.client = createClient({ tabs: false, url: serverURL(), transports: ladder(choice) });
    this.#flock = this.client.channel(`flock.${channel}`);
    this.#talk = new Conversation(channel, {
      outbox: new Outbox(sessionStorage), me: this.#me, key: () => `${this.#me}.${randomId()}`, changed: () => this.#changed(),
    });
    this.#view = this.#look();
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    return () => void this.#listeners.delete(changed);
  };

  readonly read = (): RoomView => this.#view;

  /** Who else is here, as they are now. */
  readonly visitors = (): readonly Visitor[] => [...this.#visitors.values()];

  /** Connects, and goes on until {@link Room.close}. */
  open(): void {
    this.#talk.attach(this.client);
    this.client.on('state', () => this.#changed());
    this.#flock.on('signal', (s) => this.#heard(s));
    this.#flock.on('subscribed', () => this.#beat());
    this.#timers = [
      setInterval(() => this.#beat(), BEAT),
      setInterval(() => void this.#measure(), ASK),
      setInterval(() => this.#forget(), 1_000),
    ];
    this.client.connect();
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#pointing);
    this.#flock.clearSignal(this.#me);
    this.#flock.unsubscribe();
    this.#talk.leave();
    this.client.disconnect();
  }

  say(text: string): void {
    if (text.trim()) this.#talk.publish({ from: this.#name, text });
  }

  discard(key: string): void {
    this.#talk.discard(key);
  }

  loadEarlier(): void {
    void this.#talk.loadEarlier();
  }

  use(choice: Choice): void {
    this.#choice = choice;
    this.#trips = [];
    this.client.use(ladder(choice));
    this.#changed();
  }

  rename(name: string): void {
    this.#name = name;
    try {
      sessionStorage.setItem('starling.name', name);
    } catch {
      // It holds for this page then.
    }
    this.#beat();
    this.#changed();
  }

  /** This visitor points there. Only the newest place counts, and it is sent at most every so often. */
  readonly point = (x: number, y: number): void => {
    this.#at = { x: Math.round(x * 1000) / 1000, y: Math.round(y * 1000) / 1000 };
    this.#pointing ??= setTimeout(() => {
      this.#pointing = undefined;
      this.#beat();
    }, POINT);
  };

  #beat(): void {
    this.#flock.signal({ ...this.#at, name: this.#name }, { conflate: this.#me });
  }

  #heard(s: Signal): void {
    const key = s.conflate ?? '';
    if (!key) return;
    const data = s.deleted ? null : (s.data as { x?: unknown; y?: unknown; name?: unknown } | null);
    if (typeof data?.x !== 'number' || typeof data.y !== 'number') {
      this.#visitors.delete(key);
      return;
    }
    const now = Date.now();
    const heard = s.time ?? now;
    if (key === this.#me) this.#skew = heard - now;
    const before = this.#visitors.get(key);
    const name = typeof data.name === 'string' ? data.name.slice(0, 40) : 'somebody';
    const moved = !before || before.x !== data.x || before.y !== data.y;
    // A first place may be an old one: the flock follows what moves.
    const since = before ? (moved ? now : before.moved) : 0;
    this.#visitors.set(key, { key, name, x: data.x, y: data.y, hue: hueNumber(name, 6), me: key === this.#me, moved: since, heard });
  }

  #forget(): void {
    const now = Date.now() + this.#skew;
    for (const v of this.visitors()) if (now - v.heard > GONE) this.#visitors.delete(v.key);
    this.#changed();
  }

  /** How long it takes to ask and to be answered, over the transport of now. */
  async #measure(): Promise<void> {
    if (document.hidden || this.client.state.name !== 'connected') return;
    const begun = performance.now();
    const choice = this.#choice;
    const answered = await this.#talk.channel?.history({ newest: true, limit: 1 }).then(() => true, () => false);
    if (!answered || choice !== this.#choice) return;
    this.#trips = [...this.#trips, performance.now() - begun].slice(-KEPT);
    this.#changed();
  }

  #look(): RoomView {
    const t = this.#talk;
    return {
      entries: [...t.ledger.entries], earlier: t.earlier !== '', loaded: t.history === 'yes', subscribed: t.channel?.subscribed ?? false,
      refusal: t.refusal ? `${t.refusal.message} (${t.refusal.code} ${t.refusal.name})` : '',
      choice: this.#choice, name: this.#name, windows: Math.max(1, this.#visitors.size), trips: this.#trips, back: t.recovered, twice: t.channel?.duplicates ?? 0,
    };
  }

  #changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const show = (): void => {
      this.#scheduled = false;
      this.#view = this.#look();
      for (const hear of this.#listeners) hear();
    };
    if (document.hidden) setTimeout(show, 200);
    else requestAnimationFrame(show);
  }
}
