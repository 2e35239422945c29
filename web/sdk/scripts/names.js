// Names of properties that nobody outside sees, and that are made short in what is built.

/**
 * Each with its short name, which stays its own, so that modules of two builds understand each other. None may be part
 * of the public types, of the protocol, of what tabs say to each other, of what is stored in a browser, or of what
 * browsers have; and what is short here may not be the name of a property in the sources. Which is whose was found by
 * exchanging them as long as that made the core smaller.
 *
 * @type {Record<string, string>}
 */
export const short = {
  abandon: 'P', opened: 'te', happen: 'ue', keeper: 'he', owner: 'fe', turn: 't', heard: 'ce', renewals: 'pe',
  tries: 'ie', subscription: 'H', cursor: 's', take: 'u', failures: 'ke', serial: 're', joins: 'c', storage: 'W',
  raw: 'x', settled: 'h', wanted: 'o', forget: 'sA', visible: 'F', moved: 'rA', renewable: 'r', wire: 'T',
  ladder: 'i', probes: 'nA', subscriptions: 'A', sync: 'Y', current: 'a', link: 'ne', kept: 'Ce', base: 'me',
  patience: 'l', forgot: 'C', informed: 'E', asks: 'Q', latency: 'm', backlog: 'tA', rung: 'e', covers: 'oe',
  env: 'k', renew: 'd', early: 'D', shares: '_', trouble: 'Oe', forsake: 'j', told: 'le', settle: 'be', drained: 'O',
  given: 've', doubles: 'S', joined: 'Z', tamper: 'eA', asked: 'G', tell: 'z', frames: 'V', resumed: 'v',
  isWildcard: 'g', ownError: 'iA', restore: 'Se', alone: 'Ee', isPlain: 'J', fresh: 'ye', company: 'N', flush: 'xe',
  shared: 'q', complained: 'B', check: 'b', identified: 'we', hear: 'p', tokens: 'ge', memory: 'y', expiring: 'K',
  detached: 'oA', loggedOut: 'aA', follow: 'M', say: '$', configure: 'L', changed: 'X', rank: 'ee', bus: 'Te',
  timer: 'R', timers: 'U', ended: 'se', tab: 'de', emit: 'f', events: 'I',
};

/** The names, as the build wants them. */
export const shortened = new RegExp(`^(${Object.keys(short).join('|')})$`);

/**
 * Returns which of them are part of a declaration.
 *
 * @param {string} types
 */
export function exposed(types) {
  const code = types.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return Object.keys(short).filter((name) => new RegExp(`(^|[\\s{;(,.\\]])${name}\\??\\s*[(:<]`, 'm').test(code));
}
