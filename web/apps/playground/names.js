const FIRST = ['Amber', 'Bright', 'Calm', 'Dusky', 'Early', 'Fleet', 'Gentle', 'Hazel', 'Lively', 'Misty', 'Nimble', 'Quiet', 'Rapid', 'Silver', 'Tidy', 'Wry'];
const SECOND = ['Avocet', 'Bunting', 'Curlew', 'Dunlin', 'Finch', 'Godwit', 'Heron', 'Ibis', 'Jackdaw', 'Kestrel', 'Linnet', 'Plover', 'Redwing', 'Swift', 'Teal', 'Wren'];

/** A friendly name for a window. */
export function randomName(random = Math.random) {
  /** @param {string[]} list */
  const pick = (list) => list[Math.floor(random() * list.length)] ?? '';
  return `${pick(FIRST)} ${pick(SECOND)}`;
}

/** A text of random letters, for keys. */
export function randomId(bytes = 12) {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes)))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * One of so many hues for a name, always the same.
 *
 * @param {string} name
 * @param {number} hues
 */
export function hueOf(name, hues) {
  let h = 0;
  for (const c of name) h = (h * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return h % hues;
}
