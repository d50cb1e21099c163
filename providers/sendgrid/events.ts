import { createHash } from 'node:crypto';
import type { BounceKind, EventReason, EventType } from '../../domain/delivery-event.ts';
import type { ProviderEvent } from '../provider.ts';
import { providerWords } from '../provider-words.ts';

type Fields = Record<string, unknown>;

interface EventRow {
  type: EventType;
  bounceKind?: BounceKind;
  reason?: EventReason | ((fields: Fields) => EventReason);
}

/**
 * SendGrid's `event` to ours. A bounce has its `type` behind a slash: "blocked" is an event called bounce as well, and
 * the last word on a message that was deferred for 72 hours.
 */
const eventRows: ReadonlyMap<string, EventRow> = new Map<string, EventRow>([
  ['processed', { type: 'queued' }],
  ['deferred', { type: 'deferred' }],
  ['delivered', { type: 'delivered' }],
  ['bounce/bounce', { type: 'bounced', bounceKind: 'hard', reason: bounceReason }],
  ['bounce/blocked', { type: 'bounced', bounceKind: 'soft', reason: 'blocked' }],
  ['bounce', { type: 'bounced', bounceKind: 'soft', reason: bounceReason }],
  ['dropped', { type: 'rejected', reason: dropReason }],
  ['open', { type: 'opened' }],
  ['click', { type: 'clicked' }],
  ['spamreport', { type: 'complained', reason: 'spam' }],
  ['unsubscribe', { type: 'unsubscribed', reason: 'unsubscribed' }],
  ['group_unsubscribe', { type: 'unsubscribed', reason: 'unsubscribed' }],
  ['group_resubscribe', { type: 'subscribed' }],
]);

/** Why SendGrid dropped a message, matched in this order: its wording varies. */
const dropReasons: readonly [RegExp, EventReason][] = [
  [/smtpapi|package quota/i, 'other'],
  [/unsubscribe/i, 'unsubscribed'],
  [/spam/i, 'spam'],
  [/bounce/i, 'bounced'],
  [/invalid/i, 'invalid'],
];

/**
 * The events of one POST. Whatever is in the JSON becomes an event; what we do not know becomes `other`. Throws
 * `SyntaxError` when the body is no JSON.
 */
export function parseEvents(body: Buffer): ProviderEvent[] {
  const posted: unknown = JSON.parse(body.toString('utf8'));
  return (Array.isArray(posted) ? posted : [posted]).map(toEvent);
}

function toEvent(raw: unknown): ProviderEvent {
  const fields = isFields(raw) ? raw : {};
  const row = findRow(fields) ?? { type: 'other' };
  const reason = typeof row.reason === 'function' ? row.reason(fields) : row.reason;
  return {
    type: row.type,
    at: toDate(fields.timestamp),
    dedupeKey: toDedupeKey(fields, raw),
    ...present({
      email: textOf(fields.email, 320),
      callId: textOf(fields.ep_call, 100),
      providerMessageId: findMessageId(fields),
      bounceKind: row.bounceKind,
      reason,
      description: describe(fields),
      machine: row.type === 'opened' ? machineOf(fields.sg_machine_open) : undefined,
      url: textOf(fields.url, 2000),
      userAgent: textOf(fields.useragent),
      ip: textOf(fields.ip, 100),
    }),
    raw,
  };
}

function findRow({ event, type }: Fields): EventRow | undefined {
  const name = textOf(event);
  if (name === undefined) return undefined;
  return eventRows.get(`${name}/${textOf(type) ?? ''}`) ?? eventRows.get(name);
}

function bounceReason({ bounce_classification: classification }: Fields): EventReason {
  return /invalid/i.test(textOf(classification) ?? '') ? 'invalid' : 'bounced';
}

function dropReason(fields: Fields): EventReason {
  const words = `${textOf(fields.reason) ?? ''} ${textOf(fields.type) ?? ''}`;
  return dropReasons.find(([pattern]) => pattern.test(words))?.[1] ?? 'other';
}

/** The receiver's words or SendGrid's; some drops have theirs in `type`. */
function describe(fields: Fields): string | undefined {
  const words = textOf(fields.reason) ?? textOf(fields.response);
  return words ?? (fields.event === 'dropped' ? textOf(fields.type) : undefined);
}

/**
 * `X-Message-Id` of the request. In `sg_message_id` a suffix follows that differs per recipient, at the first .filter
 * or .recvd: ids of mail that came by SMTP have dots themselves. Dropped events can have nothing but a suffix,
 * asynchronous bounces nothing at all; the local part of `smtp-id` is the same id.
 */
function findMessageId(fields: Fields): string | undefined {
  const given = textOf(fields.sg_message_id);
  const cut =
    given === undefined || /^(?:filter|recvd)/.test(given)
      ? ''
      : given.split(/\.(?:filter|recvd)/, 1)[0];
  if (cut) return cut;
  return /^<?([^@<>\s]+)@/.exec(textOf(fields['smtp-id']) ?? '')?.[1];
}

/** `sg_event_id`; an event without one is known by what it says. */
function toDedupeKey(fields: Fields, raw: unknown): string {
  const id = fields.sg_event_id;
  if (typeof id === 'string' && id !== '' && id === textOf(id, 200)) return id;
  const { event, email, timestamp, sg_message_id, ep_call, url } = fields;
  const known = [event, email, timestamp, sg_message_id, fields['smtp-id'], ep_call, url, id];
  const said = known.some((value) => value !== undefined) ? known : raw;
  return createHash('sha256').update(JSON.stringify(said)).digest('base64url');
}

const MAX_SECONDS = 4_102_444_800; // year 2100

/** Unix seconds. What is no time is 1970: the same on every delivery, because the day is part of the dedupe key. */
function toDate(timestamp: unknown): Date {
  const seconds = typeof timestamp === 'string' ? Number(timestamp) : timestamp;
  const isTime = typeof seconds === 'number' && seconds >= 0 && seconds < MAX_SECONDS;
  return new Date(isTime ? Math.trunc(seconds * 1000) : 0);
}

function machineOf(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function textOf(value: unknown, maxLength?: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  return providerWords(value, maxLength) || undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without the fields that are undefined. */
function present<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T; // the same fields, some absent instead of undefined
}
