// What the pages ask the Lab for.

import type { Meter } from './meter.js';

/** A refusal, with its code as in the protocol. */
export class LabError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** The workspace of this visitor. */
export interface Visit {
  readonly workspace: string;
  readonly token: string;
  readonly name: string;
  readonly names: readonly string[];
  readonly expires: number;
}

/** What is told to who reports that it watches. */
export interface Report {
  readonly now: number;
  readonly running: boolean;
  readonly made: number;
  readonly expires: number;
  readonly channels: readonly string[];
  readonly lines: Readonly<Record<string, Meter>>;
}

/** What the network between this page and the server does to a line. */
export interface Faults {
  readonly delay?: number;
  readonly rate?: number;
  readonly noUpgrade?: boolean;
  readonly holdStreams?: boolean;
  readonly silent?: boolean;
  readonly down?: boolean;
}

const NOT_FOUND = 4007;

/** Whether a workspace has expired, or was reset. */
export const isGone = (e: unknown): boolean => e instanceof LabError && e.code === NOT_FOUND;

/** The Lab of the server at an address. */
export class Api {
  constructor(readonly base: string) {}

  async #ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const r = await fetch(`${this.base}lab/api/workspaces${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }), ...(signal && { signal }) });
    if (r.status === 204) return undefined as T;
    const answer = await r.json().catch(() => null) as (T & { readonly error?: { readonly code: number; readonly message: string } }) | null;
    if (!r.ok || !answer) throw new LabError(answer?.error?.code ?? 0, answer?.error?.message ?? `The Lab has answered ${r.status}.`);
    return answer;
  }

  create(): Promise<Visit> {
    return this.#ask('POST', '');
  }

  token(workspace: string, name: string): Promise<Visit> {
    return this.#ask('POST', `/${workspace}/token`, { name });
  }

  remove(workspace: string): Promise<void> {
    return this.#ask('DELETE', `/${workspace}`);
  }

  watch(workspace: string, report: { watcher: string; scenario: string; seed: number; rate: number }, signal: AbortSignal): Promise<Report> {
    return this.#ask('POST', `/${workspace}/watch`, report, signal);
  }

  /** Says that nobody watches any more, also from a page that goes away. */
  unwatch(workspace: string, report: { watcher: string; scenario: string; seed: number }): void {
    navigator.sendBeacon(`${this.base}lab/api/workspaces/${workspace}/watch`, JSON.stringify({ ...report, stop: true }));
  }

  burst(workspace: string, scenario: string, seed: number, count: number): Promise<void> {
    return this.#ask('POST', `/${workspace}/burst`, { scenario, seed, count });
  }

  disconnect(workspace: string, session: string): Promise<void> {
    return this.#ask('POST', `/${workspace}/disconnect`, { session });
  }

  faults(workspace: string, line: string, faults: Faults): Promise<void> {
    return this.#ask('PUT', `/${workspace}/lines/${line}`, faults);
  }

  cut(workspace: string, line: string): Promise<void> {
    return this.#ask('POST', `/${workspace}/lines/${line}/cut`);
  }

  /** The address of the server, through a line. */
  through(workspace: string, line: string): string {
    return `${this.base}lab/link/${workspace}/${line}/`;
  }
}
