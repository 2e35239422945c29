// The visitor's workspace, the traffic in it, and clients that reach the server through its lines.

import { type Client, type ClientOptions, type ConnectionState, createClient } from '@starling-rt/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { serverURL } from '../ui/index.js';
import { Api, isGone, type Report, type Visit } from './api.js';
import { type Clock, clockOf, type ClockSample, sampled } from './clock.js';

const KEY = 'starling.lab';

function remembered(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return ''; // some browsers throw at the mention of it
  }
}

function remember(workspace: string): void {
  try {
    localStorage.setItem(KEY, workspace);
  } catch {
    // The next page has another then.
  }
}

/** The workspace of this browser: the one it has, or a new one. */
async function enter(api: Api): Promise<Visit> {
  const known = remembered();
  if (known) {
    try {
      return await api.token(known, 'You');
    } catch (e) {
      if (!isGone(e)) throw e;
    }
  }
  const visit = await api.create();
  remember(visit.workspace);
  return visit;
}

/** A workspace that is there, and what can be done with it. */
export interface Workspace {
  readonly api: Api;
  readonly visit: Visit;
  /** Throws all of it away, and begins with another. */
  reset(): Promise<void>;
  /** It was found to have expired: begins with another. */
  expired(): void;
}

export type Entrance =
  | { readonly name: 'opening' }
  | { readonly name: 'open'; readonly workspace: Workspace }
  | { readonly name: 'failed'; readonly message: string; again(): void };

const said = (e: unknown): string => (e instanceof Error ? e.message : String(e));

/** Enters the Lab. */
export function useEntrance(): Entrance {
  const [turn, setTurn] = useState(0);
  const [entrance, setEntrance] = useState<Entrance>({ name: 'opening' });
  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn enters anew
  useEffect(() => {
    let over = false;
    const again = (): void => {
      if (over) return; // somebody else has found it out
      over = true;
      setEntrance({ name: 'opening' });
      setTurn((t) => t + 1);
    };
    const api = new Api(serverURL());
    enter(api).then((visit) => {
      if (over) return;
      const reset = async (): Promise<void> => {
        await api.remove(visit.workspace).catch((e: unknown) => {
          if (!isGone(e)) throw e;
        });
        if (remembered() === visit.workspace) remember('');
        again();
      };
      setEntrance({ name: 'open', workspace: { api, visit, reset, expired: again } });
    }, (e: unknown) => {
      if (!over) setEntrance({ name: 'failed', message: said(e), again });
    });
    return () => {
      over = true;
    };
  }, [turn]);
  return entrance;
}

/** What a page knows of the traffic that it watches. */
export interface Watch {
  readonly report: Report | null;
  readonly clock: Clock | null;
  /** Why there is no traffic, if there is none. */
  readonly trouble: string;
}

const EVERY = 1000; // ms; the server counts a report for 5 s

const now = (): number => performance.timeOrigin + performance.now();

/** Reports to the Lab that a scenario is watched, as long as the page can be seen. */
export function useWatch({ api, visit, expired }: Workspace, scenario: string, seed: number, rate: number, heard?: (report: Report) => void): Watch {
  const [watch, setWatch] = useState<Watch>({ report: null, clock: null, trouble: '' });
  const hear = useRef(heard);
  const pace = useRef(rate);
  useEffect(() => {
    hear.current = heard;
    pace.current = rate;
  });
  useEffect(() => {
    const watcher = Math.random().toString(36).slice(2);
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let samples: readonly ClockSample[] = [];
    const stop = (): void => {
      clearTimeout(timer);
      timer = undefined;
      api.unwatch(visit.workspace, { watcher, scenario, seed });
    };
    const tell = async (): Promise<void> => {
      const sent = now();
      try {
        const report = await api.watch(visit.workspace, { watcher, scenario, seed, rate: pace.current }, ending.signal);
        samples = sampled(samples, { sent, received: now(), server: report.now });
        hear.current?.(report);
        setWatch({ report, clock: clockOf(samples), trouble: '' });
      } catch (e) {
        if (ending.signal.aborted) return;
        if (isGone(e)) {
          expired();
          return;
        }
        setWatch((w) => ({ ...w, trouble: said(e) }));
      }
      if (!ending.signal.aborted && document.visibilityState === 'visible') timer = setTimeout(() => void tell(), EVERY);
    };
    const seen = (): void => {
      if (document.visibilityState === 'hidden') stop();
      else if (timer === undefined) void tell();
    };
    seen();
    document.addEventListener('visibilitychange', seen);
    window.addEventListener('pagehide', stop);
    return () => {
      ending.abort();
      document.removeEventListener('visibilitychange', seen);
      window.removeEventListener('pagehide', stop);
      stop();
    };
  }, [api, visit.workspace, scenario, seed, expired]);
  return watch;
}

/** The server's time now, as far as this page knows it. */
export const serverNow = (clock: Clock): number => now() + clock.offset;

/** A client of this workspace, through a line of its network or, without one, past it. */
export function clientOf({ api, visit }: Workspace, line: string | null, options: ClientOptions = {}, name = 'You'): Client {
  let first: string | null = name === visit.name ? visit.token : null;
  return createClient({
    url: line === null ? api.base : api.through(visit.workspace, line),
    tabs: false,
    getToken: async () => {
      const token = first ?? (await api.token(visit.workspace, name)).token;
      first = null;
      return token;
    },
    ...options,
  });
}

/** The name of a channel of this workspace. */
export const channelOf = ({ visit }: Workspace, scenario: string, seed: number): string => `lab:${visit.workspace}:${scenario}.${seed}`;

/** The state of a client's connection, as it changes. */
export function useClientState(client: Client | null): ConnectionState {
  const [state, setState] = useState<ConnectionState>(client?.state ?? { name: 'idle' });
  useEffect(() => {
    if (!client) return undefined;
    setState(client.state);
    return client.on('state', setState);
  }, [client]);
  return state;
}

/** Gathers what comes faster than can be shown, and hands it on ten times a second. Returns what takes one. */
export function useBatches<T>(take: (batch: readonly T[]) => void): (one: T) => void {
  const waiting = useRef<T[]>([]);
  const taker = useRef(take);
  useEffect(() => {
    taker.current = take;
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (waiting.current.length > 0) taker.current(waiting.current.splice(0));
    }, 100);
    return () => clearInterval(timer);
  }, []);
  return useCallback((one: T) => {
    waiting.current.push(one);
  }, []);
}

const addresses = new EventTarget();

/** Calls back when the address of the page has changed. Returns what ends that. */
export function onAddress(changed: () => void): () => void {
  addresses.addEventListener('change', changed);
  return () => addresses.removeEventListener('change', changed);
}

/** Numbers in the address of the page, which so is a permalink to what it shows. */
export function useNumbers<K extends string>(defaults: Readonly<Record<K, number>>): [Readonly<Record<K, number>>, (change: Partial<Record<K, number>>) => void, boolean] {
  const [values, setValues] = useState(defaults);
  const [read, setRead] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address is read once
  useEffect(() => {
    const query = new URLSearchParams(location.search);
    const given = Object.entries(defaults).map(([name, fallback]) => {
      const n = Number(query.get(name) ?? fallback);
      return [name, Number.isFinite(n) && n >= 0 && n <= 0xffffffff ? n : fallback];
    });
    setValues(Object.fromEntries(given) as Record<K, number>);
    setRead(true);
  }, []);
  const change = useCallback((some: Partial<Record<K, number>>) => {
    setValues((old) => {
      const next = { ...old, ...some };
      const query = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(next)) query.set(name, String(value));
      history.replaceState(null, '', `?${query}`);
      addresses.dispatchEvent(new Event('change'));
      return next;
    });
  }, []);
  return [values, change, read];
}
