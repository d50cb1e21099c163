import { hasControlCharacter } from './address.ts';

// What we or the provider write ourselves; a second one would contradict it or forge it.
const FORBIDDEN = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'return-path',
  'received',
  'dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results',
  'authentication-results',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'feedback-id',
  'x-sg-id',
  'x-sg-eid',
]);
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,126}$/; // RFC 5322 field names, at most what SES takes

/** Why a customer may not set this header; undefined when they may. */
export function headerProblem(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return 'is not a header name';
  const lower = name.toLowerCase();
  if (FORBIDDEN.has(lower)) return 'is written by the platform';
  if (lower.startsWith('x-ep-') || lower.startsWith('x-mailgun-') || lower.startsWith('x-ses-'))
    return 'belongs to the platform or a provider';
  if (hasControlCharacter(value)) return 'holds a line break or control character';
  if (value.length > 995) return 'is longer than 995 characters';
  return undefined;
}
