interface Timer {
  readonly at: number;
  readonly f: () => void;
}

/** Time that passes only when it is told to. */
export class TestClock {
  /** The time of the day, in Unix milliseconds. It may be set, as if a machine had slept. */
  now = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<Timer>();

  /** @internal */
  after(ms: number, f: () => void): unknown {
    const timer = { at: this.now + Math.max(0, ms), f };
    this.#timers.add(timer);
    return timer;
  }

  /** @internal */
  cancel(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  /** Lets time pass, and all that happens in it happen, in its order. Resolves when that is done. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await settle(); // promises first
      let next: Timer | undefined;
      for (const t of this.#timers) if (t.at <= end && (!next || t.at < next.at)) next = t;
      if (!next) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.f();
    }
    this.now = Math.max(this.now, end);
  }
}

/** Resolves after all promises that can be resolved are. */
function settle(): Promise<void> {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}
