import { createHash } from 'node:crypto';

/** How an API key is named in files and answers: the first 16 hex digits of its SHA-256. */
export function accountOfKey(apiKey: string): string {
  return createHash('sha256').update(apiKey).digest('hex').slice(0, 16);
}
