import type { IncomingHttpHeaders } from 'node:http';
import { toPublicId } from '../domain/ids.ts';
import { invalid, PlatformError } from '../domain/platform-error.ts';
import { newUuid } from '../runtime/new-uuid.ts';
import type { VersionCondition } from '../services/version-condition.ts';

/** The caller's own id where it is a plain one, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(given)
    ? given
    : toPublicId('request', newUuid());
}

/** W3C Trace Context, version 00; anything else is ignored, as that asks. */
export function traceparentOf(headers: IncomingHttpHeaders): string | undefined {
  const { traceparent } = headers;
  if (typeof traceparent !== 'string') return undefined;
  const isValid =
    /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent) &&
    !/^00-0{32}-/.test(traceparent) &&
    !/-0{16}-..$/.test(traceparent);
  return isValid ? traceparent : undefined;
}

/** @throws unauthenticated */
export function bearerTokenOf({ authorization }: IncomingHttpHeaders): string {
  const token = /^Bearer +([A-Za-z0-9_-]+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined)
    throw new PlatformError(
      'unauthenticated',
      'Send an API key as "Authorization: Bearer ep_live_…".',
    );
  return token;
}

export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x20-\x7e]{1,256}$/.test(key)) return key;
  throw invalid(
    '',
    'idempotency_key_invalid',
    'Idempotency-Key must be 1 to 256 printable ASCII characters.',
  );
}

/** `If-Match`: one strong ETag of ours, or `*`. */
export function ifMatchOf(headers: IncomingHttpHeaders): VersionCondition {
  const condition = headers['if-match'];
  if (condition === undefined) return undefined;
  if (condition.trim() === '*') return 'any';
  const version = /^"?(\d{1,9})"?$/.exec(condition.trim())?.[1];
  if (version === undefined)
    throw new PlatformError('etag_mismatch', 'If-Match is not an ETag of this resource.');
  return Number(version);
}
