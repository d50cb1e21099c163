import { z } from 'zod';
import { messageStatusNames } from '../../domain/message-status.ts';
import { recipientStatusNames } from '../../domain/recipient-status.ts';
import { address, mode, stream, time } from './common.ts';

const workflowUrl = z
  .string()
  .optional()
  .meta({ description: 'For keys with the scope `inspect`, where the Web UI is known.' });

export const acceptedMessage = z
  .strictObject({
    id: z.string(),
    status: z.enum(['accepted', 'scheduled', 'suppressed']),
    mode,
    createdAt: time,
    workflowId: z.string(),
    workflowUrl,
  })
  .meta({ id: 'AcceptedMessage' });

const candidate = z.strictObject({
  account: z.string(),
  name: z.string(),
  provider: z.string(),
  excluded: z.string().optional(),
  detail: z.string().optional(),
});

export const validatedMessage = z
  .strictObject({
    valid: z.literal(true),
    subject: z.string().meta({ description: 'As it will read.' }),
    template: z.strictObject({ key: z.string(), version: z.number() }).optional(),
    routing: z.strictObject({ candidates: z.array(candidate), chosen: z.string().nullable() }),
  })
  .meta({ id: 'ValidatedMessage' });

const recipient = z
  .strictObject({
    id: z.string(),
    email: z.string(),
    name: z.string().nullable(),
    kind: z.enum(['to', 'cc', 'bcc']),
    status: z.enum(recipientStatusNames),
    reason: z.string().nullable(),
    bounceKind: z.string().nullable(),
    attempt: z.number(),
    sentAt: time.nullable(),
    deferredAt: time.nullable(),
    deliveredAt: time.nullable(),
    bouncedAt: time.nullable(),
    rejectedAt: time.nullable(),
    openedAt: time.nullable(),
    machineOpenedAt: time.nullable(),
    clickedAt: time.nullable(),
    complainedAt: time.nullable(),
    unsubscribedAt: time.nullable(),
  })
  .meta({ id: 'Recipient' });

const attempt = z
  .strictObject({
    number: z.number(),
    recipients: z.array(z.string()),
    provider: z.string(),
    account: z.string(),
    outcome: z.enum(['claimed', 'unknown', 'refused', 'accepted']),
    class: z.string().nullable(),
    code: z.string().nullable(),
    words: z.string().nullable().meta({ description: 'The provider’s own.' }),
    providerMessageId: z.string().nullable(),
    callId: z.string(),
    at: time,
    ms: z.number().nullable(),
    repeats: z.number(),
    reconciledAt: time.nullable(),
    reconciledBy: z.string().nullable(),
  })
  .meta({ id: 'Attempt' });

export const cost = z.strictObject({ micros: z.number(), currency: z.string().nullable() });

export const message = z
  .strictObject({
    id: z.string(),
    status: z.enum(messageStatusNames),
    reason: z.string().nullable(),
    mode,
    stream,
    topic: z.string().nullable(),
    from: address,
    replyTo: z.array(address),
    to: z.array(address),
    cc: z.array(address),
    bcc: z.array(address),
    subject: z.string(),
    template: z.strictObject({ key: z.string(), version: z.number() }).nullable(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.string()),
    campaignId: z.null(),
    batchId: z.null(),
    waitFor: z.enum(['delivery', 'acceptance']),
    createdAt: time,
    scheduledAt: time.nullable(),
    expiresAt: time.nullable(),
    sentAt: time.nullable(),
    settledAt: time.nullable(),
    settledBy: z.string().nullable(),
    heldReason: z.string().nullable(),
    heldUntil: time.nullable(),
    provider: z.string().nullable(),
    account: z.string().nullable(),
    delivery: z.strictObject({
      pending: z.number(),
      delivered: z.number(),
      bounced: z.number(),
      other: z.number(),
    }),
    recipients: z.array(recipient),
    attempts: z.array(attempt),
    duplicateDetected: z.boolean(),
    cost: cost.nullable(),
    traceparent: z.string().nullable(),
    workflowId: z.string(),
    workflowUrl,
  })
  .meta({ id: 'Message' });
