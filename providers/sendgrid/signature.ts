import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import type { WebhookRequest } from '../provider.ts';
import type { SendGridSecrets } from './settings.ts';

const SIGNATURE_HEADER = 'x-twilio-email-event-webhook-signature';
const TIMESTAMP_HEADER = 'x-twilio-email-event-webhook-timestamp';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * ECDSA (P-256, SHA-256) over the timestamp and the raw body. No tolerance for old timestamps: SendGrid retries for a
 * day and does not say whether it signs anew; an event that comes again is known by its id.
 */
export function verifySignature(request: WebhookRequest, secrets: SendGridSecrets): boolean {
  const signature = findHeader(request, SIGNATURE_HEADER);
  const timestamp = findHeader(request, TIMESTAMP_HEADER);
  if (!signature || !timestamp || !BASE64.test(signature)) return false;
  try {
    return createVerify('sha256')
      .update(timestamp)
      .update(request.body)
      .verify(toKey(secrets.signingKey), signature, 'base64');
  } catch {
    return false; // a key that is none, or not of this kind
  }
}

/** Throws for anything but an elliptic-curve key on P-256: the key decides the algorithm, not the caller. */
function toKey(signingKey: string): KeyObject {
  const key = createPublicKey({
    key: Buffer.from(signingKey, 'base64'),
    format: 'der',
    type: 'spki',
  });
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not a P-256 key');
  return key;
}

/** Undefined also where the header came twice: then nobody can say which one was meant. */
function findHeader({ headers }: WebhookRequest, name: string): string | undefined {
  const values = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
  const value = values.length === 1 ? values[0]?.[1] : undefined;
  return typeof value === 'string' ? value : undefined;
}
