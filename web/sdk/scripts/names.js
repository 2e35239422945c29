// Names of properties that nobody outside sees, and that are made short in what is built.

/**
 * Each with its short name, which stays its own, so that modules of two builds understand each other. None may be part
 * of the public types, of the protocol, of what tabs say to each other, of what is stored in a browser, or of what
 * browsers have; and what is short here may not be the name of a property in the sources.
 *
 * @type {Record<string, string>}
 */
export const short = {
  abandon: '_', opened: '$', happen: 'a', keeper: 'A', owner: 'b', turn: 'B', heard: 'c', renewals: 'C', tries: 'd',
  subscription: 'D', cursor: 'e', take: 'E', failures: 'f', serial: 'F', joins: 'g', storage: 'G', raw: 'h',
  settled: 'H', wanted: 'i', forget: 'I', visible: 'j', moved: 'J', renewable: 'k', wire: 'K', ladder: 'l', probes: 'L',
  subscriptions: 'm', sync: 'M', current: 'N', link: 'o', kept: 'O', base: 'p', patience: 'P', forgot: 'q',
  informed: 'Q', asks: 'r', latency: 'R', backlog: 's', rung: 't', covers: 'T', env: 'u', renew: 'U',
  early: 'v', shares: 'V', trouble: 'w', forsake: 'W', told: 'x', settle: 'X', drained: 'y', given: 'Y', doubles: 'z',
  joined: 'Z', tamper: 'ae', asked: 'be', tell: 'ce', frames: 'Ce', resumed: 'de', isWildcard: 'ee', ownError: 'Ee',
  restore: 'fe', alone: 'ge', isPlain: 'he', fresh: 'ie', company: 'ke', flush: 'le', shared: 'me', complained: 'ne',
  check: 'oe', identified: 'Oe', hear: 'pe', tokens: 're', memory: 'se', expiring: 'Se', detached: 'te', loggedOut: 'Te',
  follow: 'ue', say: 've', configure: 'we', changed: 'xe', rank: 'ye',
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
