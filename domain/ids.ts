import { PlatformError } from './platform-error.ts';

/** Prefix of each kind of id at the edge; tables hold the bare UUID. */
export const idPrefixes = {
  message: 'msg',
  recipient: 'rcp',
  tenant: 'ten',
  apiKey: 'key',
  providerAccount: 'acc',
  sendingDomain: 'dom',
  template: 'tpl',
  templateVersion: 'tpv',
  event: 'evt',
  call: 'call',
  batch: 'bat',
  campaign: 'cmp',
  suppression: 'sup',
  request: 'req',
} as const;
export type IdKind = keyof typeof idPrefixes;

// Crockford's base32, lower case: no i, l, o, u.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `msg_` and the 26 characters of the UUID's 128 bits. */
export function toPublicId(kind: IdKind, uuid: string): string {
  let bits = BigInt(`0x${uuid.replaceAll('-', '')}`);
  let text = '';
  for (let i = 0; i < 26; i += 1) {
    text = ALPHABET.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return `${idPrefixes[kind]}_${text}`;
}

/** The UUID of a public id; undefined for anything that is not one of this kind. */
export function findUuid(kind: IdKind, publicId: string): string | undefined {
  const prefix = `${idPrefixes[kind]}_`;
  if (!publicId.startsWith(prefix) || publicId.length !== prefix.length + 26) return undefined;
  let bits = 0n;
  for (const character of publicId.slice(prefix.length)) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return undefined;
    bits = (bits << 5n) | BigInt(value);
  }
  if (bits >> 128n !== 0n) return undefined; // 26 characters hold 130 bits
  const hex = bits.toString(16).padStart(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** As {@link findUuid}; an id that is none answers like one that does not exist. */
export function toUuid(kind: IdKind, publicId: string): string {
  const uuid = findUuid(kind, publicId);
  if (uuid === undefined) throw new PlatformError('not_found', `There is no ${publicId}.`);
  return uuid;
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}
