import { isFields, parseObject, textOf } from './protocol.js';

/** @internal Whom a token is for, without asking whether it holds: the server does that. Empty if it does not say. */
export function userOf(token: string): string {
  const [, claims = ''] = token.split('.');
  try {
    const bytes = Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const object = parseObject(new TextDecoder().decode(bytes));
    return isFields(object) ? textOf(object.sub) : '';
  } catch {
    return '';
  }
}
