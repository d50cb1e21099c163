import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import type { EventReason, EventType } from '../../../domain/delivery-event.ts';
import type { AcceptedLine } from '../../acceptance-file.ts';
import type { EventStep } from '../../behaviours.ts';
import type { WebhookStyle } from '../../provider.ts';

// Twilio SendGrid docs: "Event Webhook Reference" for the fields, "Event Webhook Security Features" for the signature.

const READER = {
  ip: '192.0.2.17',
  useragent:
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)',
};

// `blocked` is a type of bounce, not an event; mailboxes over quota end as one too, after days of deferral.
const bounces: Partial<Record<EventReason, Record<string, string>>> = {
  invalid: {
    type: 'bounce',
    status: '5.1.1',
    reason: '550 5.1.1 The email account that you tried to reach does not exist.',
    bounce_classification: 'Invalid Address',
  },
  blocked: {
    type: 'blocked',
    status: '5.7.1',
    reason: '550 5.7.1 Message rejected due to the reputation of the sending address.',
    bounce_classification: 'Reputation',
  },
};
const overQuota = {
  type: 'blocked',
  status: '4.2.2',
  reason: '452 4.2.2 The email account that you tried to reach is over quota.',
  bounce_classification: 'Mailbox Unavailable',
};

const drops: Partial<Record<EventReason, string>> = {
  bounced: 'Bounced Address',
  unsubscribed: 'Unsubscribed Address',
  spam: 'Spam Reporting Address',
  invalid: 'Invalid',
};

const eventFields: Partial<Record<EventType, (step: EventStep) => Record<string, unknown>>> = {
  queued: () => ({ event: 'processed' }),
  deferred: () => ({
    event: 'deferred',
    response: '450 4.2.1 The user you are trying to contact is receiving mail too quickly.',
    attempt: '1',
  }),
  delivered: () => ({ event: 'delivered', response: '250 2.0.0 OK', ip: '192.0.2.25', tls: 1 }),
  bounced: ({ reason = 'other' }) => ({ event: 'bounce', ...(bounces[reason] ?? overQuota) }),
  rejected: ({ reason = 'other' }) => ({
    event: 'dropped',
    status: '5.0.0',
    reason: drops[reason] ?? 'Spam Content',
  }),
  opened: () => ({ event: 'open', ...READER, sg_machine_open: false, sg_content_type: 'html' }),
  clicked: () => ({
    event: 'click',
    ...READER,
    url: 'https://acme.test/',
    url_offset: { index: 0, type: 'html' },
  }),
  complained: () => ({ event: 'spamreport' }),
  unsubscribed: () => ({ event: 'unsubscribe' }),
};

export const sendgridWebhook: WebhookStyle = {
  createKeys: () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    };
  },
  publishedKeys: ({ publicKey = '' }) => ({ publicKey }),
  toEvent: (line, step, index, at) => ({
    ...line.report?.args, // first: an event's own field wins over a custom argument of the same name
    email: line.recipient,
    timestamp: Math.floor(at.getTime() / 1000),
    ...eventFields[step.type]?.(step),
    ...category(line.report?.categories ?? []),
    'smtp-id': `<${line.providerMessageId}@geopod-ismtpd-1>`,
    sg_event_id: eventId(line, index),
    ...messageId(line, step),
  }),
  toPost: (events, { privateKey = '' }, now) => {
    const body = Buffer.from(`${JSON.stringify(events)}\r\n`);
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const signature = createSign('sha256')
      .update(timestamp)
      .update(body)
      .sign(privateKey, 'base64');
    return {
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'SendGrid Event API',
        'X-Twilio-Email-Event-Webhook-Signature': signature,
        'X-Twilio-Email-Event-Webhook-Timestamp': timestamp,
      },
    };
  },
  maxEventsPerPost: 500, // well below 768 KB
  isTaken: (status) => status >= 200 && status < 300,
  retryDelayMs: (attempt) => Math.min(500 * 2 ** (attempt - 1), 60_000),
  giveUpAfterMs: 24 * 3_600_000,
};

// Made from the acceptance line, so that it stays the same when a restart posts the event again.
function eventId(line: AcceptedLine, index: number): string {
  return createHash('sha256')
    .update(`${line.providerMessageId}/${line.n}/${index}`)
    .digest('base64url')
    .slice(0, 32);
}

/** The id of the request and a suffix per mail; a dropped mail never got one, an asynchronous bounce has lost it. */
function messageId(line: AcceptedLine, step: EventStep): { sg_message_id?: string } {
  if (step.isLate === true) return {};
  const suffix = `${line.n.toString(16)}-${Date.parse(line.at).toString(16)}`;
  if (step.type === 'rejected') return { sg_message_id: `filterdrecv-${suffix}.0` };
  return { sg_message_id: `${line.providerMessageId}.recvd-${suffix}-1.0` };
}

function category(categories: string[]): { category?: string | string[] } {
  if (categories.length === 0) return {};
  return { category: categories.length === 1 ? categories[0] : categories };
}
