import { randomBytes } from 'node:crypto';
import type { Vault } from '../../runtime/vault.ts';

export const scopes = ['send', 'read', 'manage', 'inspect'] as const;
export type Scope = (typeof scopes)[number];

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_LENGTH = 40; // 238 bits
const HINT_LENGTH = 12;

/** Random letters and digits, evenly distributed. */
export function randomText(length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomBytes(length))
      if (byte < 248 && text.length < length) text += ALPHABET.charAt(byte % 62); // 248 = 4 × 62
  return text;
}

/** A new key: its secret, shown once, and the two things of it that are kept. */
export function newKey(vault: Vault, kind: 'live' | 'test' | 'admin') {
  const secret = `ep_${kind}_${randomText(SECRET_LENGTH)}`;
  return { secret, hint: secret.slice(0, HINT_LENGTH), hash: vault.hashToken(secret) };
}
