import { type Fields, parseObject } from './protocol.js';

/** @internal What a token says, without asking whether it holds: the server does that. */
export function claimsOf(token: string): Fields {
  const [, claims = ''] = token.split('.');
  try {
    const bytes = Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    return parseObject(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
