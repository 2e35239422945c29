/**
 * A server in memory, with a network and a clock that a test moves by hand, for the unit tests of applications.
 *
 * @packageDocumentation
 */

export { TestClock } from './clock.js';
export { type TestNetwork, TestServer, type TestServerOptions } from './server.js';
