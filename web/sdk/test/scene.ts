// A world with clients in it.

import { type ClientOptions, clientIn } from '../src/client.js';
import type { TransportName } from '../src/machine.js';
import type { Environment } from '../src/wire.js';
import { chance, Clock, ModelServer, Network } from './world.js';

export function scene(seed = 1) {
  const clock = new Clock(chance(seed));
  const server = new ModelServer(clock);
  const network = new Network(clock, server);
  let remembered: TransportName | null = null;
  const memory = {
    get: () => remembered,
    set: (t: TransportName | null) => {
      remembered = t;
    },
  };
  const client = (options: ClientOptions = {}, more: Partial<Environment> = {}) => clientIn(options, { ...network.environment(), ...more }, memory, 'http://model/');
  return { clock, server, network, client };
}

/** Lets the process do what it has to do, in steps that are counted: what it takes in time depends on what else the machine does. */
export async function turns(n = 20): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((done) => setImmediate(done));
}
