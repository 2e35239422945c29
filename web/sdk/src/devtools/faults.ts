import type { End, TransportName } from '../machine.js';
import type { Command } from '../protocol.js';
import type { Connect, Environment, Listener, Wire } from '../wire.js';

/** A wire in use, and what can be done to it. */
interface Victim {
  readonly transport: TransportName;
  end(end: End): void;
}

const end = (kind: End['kind'], code: number, message: string, retry: boolean): End => ({ kind, code, message, retry });

/** @internal Harm that is done to connections on purpose. */
export class Faults {
  /** How much longer each way takes, in milliseconds. */
  delay = 0;
  readonly #blocked = new Set<TransportName>();
  readonly #victims = new Set<Victim>();
  #losing = false;

  /** Whether this page has a connection to do harm to. */
  get any(): boolean {
    return this.#victims.size > 0;
  }

  isBlocked(transport: TransportName): boolean {
    return this.#blocked.has(transport);
  }

  /** Blocks a transport, as a proxy would, or lets it pass again. */
  block(transport: TransportName, blocked: boolean): void {
    if (blocked) this.#blocked.add(transport);
    else this.#blocked.delete(transport);
    if (blocked) this.#end(end('lost', 0, 'The transport was blocked by the devtools.', true), transport);
  }

  /** Breaks the connection. */
  drop(): void {
    this.#end(end('lost', 0, 'The connection was dropped by the devtools.', true));
  }

  /** Ends the session as the server does when the token has ended. */
  expire(): void {
    this.#end(end('refused', 4107, 'The token was ended by the devtools.', false));
  }

  /** Loses the next frame, and with it all that follow on its connection, until that is found to be dead. */
  lose(): void {
    this.#losing = this.any;
  }

  #end(e: End, transport?: TransportName): void {
    for (const v of [...this.#victims]) if (!transport || v.transport === transport) v.end(e);
  }

  /** Makes wires that can be harmed. */
  wrap(transport: TransportName, connect: Connect): Connect {
    return (place, on, env) => (this.#blocked.has(transport) ? blockedWire(on, transport) : this.#wire(transport, place, on, env, connect));
  }

  #wire(transport: TransportName, place: Parameters<Connect>[0], on: Listener, env: Environment, connect: Connect): Wire {
    let over = false;
    let lost = false;
    let free = 0;
    /** Does it after the delay, behind what goes the same way. */
    const later = (f: () => void): void => {
      if (this.#losing) {
        this.#losing = false;
        lost = true;
      }
      if (lost || over) return;
      const at = Math.max(free, env.now() + this.delay);
      free = at;
      if (at <= env.now()) f();
      else env.setTimeout(() => !over && !lost && f(), at - env.now());
    };
    const victim: Victim = {
      transport,
      end: (e) => {
        leave();
        wire.close();
        on.end(e);
      },
    };
    const leave = (): void => {
      over = true;
      this.#victims.delete(victim);
    };
    const wire = connect(place, {
      open: (session) => later(() => on.open(session)),
      message: (m) => later(() => on.message(m)),
      position: (p) => later(() => on.position(p)),
      settled: () => later(() => on.settled()),
      heard: () => {
        if (!lost) on.heard();
      },
      drained: () => on.drained(),
      end: (e) => later(() => {
        leave();
        on.end(e);
      }),
      frame: (direction, kind, text) => on.frame(direction, lost ? `lost ${kind}` : kind, text),
    }, env);
    this.#victims.add(victim);
    return {
      asks: wire.asks,
      send: (command: Command) => later(() => wire.send(command)),
      backlog: () => wire.backlog(),
      close: () => {
        leave();
        wire.close();
      },
    };
  }
}

function blockedWire(on: Listener, transport: TransportName): Wire {
  let over = false;
  queueMicrotask(() => {
    if (!over) on.end(end('unreachable', 0, 'The transport is blocked by the devtools.', true));
  });
  return { asks: transport !== 'websocket', send: () => {}, backlog: () => 0, close: () => {
    over = true;
  } };
}
