import { toPublicId } from '../../domain/ids.ts';
import type { MessageStatus } from '../../domain/message-status.ts';
import { isSettled } from '../../domain/message-status.ts';
import type { RecipientStatus } from '../../domain/recipient-status.ts';
import { sendMessageId } from '../../workflows/contracts.ts';
import type { ServiceContext } from '../context.ts';
import {
  openAddress,
  statusOfRow,
  type CallRow,
  type Ledger,
  type RecipientRow,
} from '../delivery/records.ts';
import type { StoredEnvelope } from './message-input.ts';

const kinds = { t: 'to', c: 'cc', b: 'bcc' } as const;

const iso = (at: Date | null) => at?.toISOString() ?? null;

/** A message as customers see it. */
export function viewMessage(
  ctx: ServiceContext,
  { message, recipients, calls }: Ledger,
  accountNames: Map<string, string>,
) {
  const envelope = ctx.tenant.vault.openJson<StoredEnvelope>('envelope', message.envelope_enc);
  const id = toPublicId('message', message.id);
  const viewed = recipients.map((row) => viewRecipient(ctx, row));
  const addresses = (kind: 'to' | 'cc' | 'bcc') =>
    viewed
      .filter((recipient) => recipient.kind === kind)
      .map(({ email, name }) => ({ email, ...(name !== null && { name }) }));
  return {
    id,
    status: message.status as MessageStatus,
    reason: message.reason,
    mode: message.mode,
    stream: message.stream,
    topic: message.topic,
    from: envelope.from,
    replyTo: envelope.replyTo,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: envelope.subject,
    template:
      message.template_key === null || message.template_version === null
        ? null
        : { key: message.template_key, version: message.template_version },
    tags: message.tags,
    metadata: message.metadata,
    campaignId: null,
    batchId: null,
    waitFor: message.wait_for,
    createdAt: message.created_at.toISOString(),
    scheduledAt: iso(message.scheduled_at),
    expiresAt: iso(message.expires_at),
    sentAt: iso(message.sent_at),
    settledAt: iso(message.settled_at),
    settledBy: message.settled_by,
    heldReason: message.held_reason,
    heldUntil: iso(message.held_until),
    provider: message.provider,
    account: message.account_id === null ? null : (accountNames.get(message.account_id) ?? null),
    delivery: countDelivery(recipients),
    recipients: viewed,
    attempts: calls.map((call) => viewCall(call, recipients, accountNames)),
    duplicateDetected: message.duplicate_detected,
    cost: costOf(recipients, calls),
    traceparent: message.traceparent,
    workflowId: sendMessageId(ctx.tenant.key, id, message.run_no),
  };
}
export type MessageView = ReturnType<typeof viewMessage>;

function viewRecipient(ctx: ServiceContext, row: RecipientRow) {
  const { email, name } = openAddress(ctx.tenant, row);
  return {
    id: toPublicId('recipient', row.id),
    email,
    name: name ?? null,
    kind: kinds[row.kind],
    status: statusOfRow(row),
    reason: row.bounce_reason ?? row.reason,
    bounceKind: row.bounce_kind,
    attempt: row.attempt,
    sentAt: iso(row.sent_at),
    deferredAt: iso(row.deferred_at),
    deliveredAt: iso(row.delivered_at),
    bouncedAt: iso(row.bounced_at),
    rejectedAt: iso(row.rejected_at),
    openedAt: iso(row.opened_at),
    machineOpenedAt: iso(row.machine_opened_at),
    clickedAt: iso(row.clicked_at),
    complainedAt: iso(row.complained_at),
    unsubscribedAt: iso(row.unsubscribed_at),
  };
}

export function viewCall(
  call: CallRow,
  recipients: RecipientRow[],
  accountNames: Map<string, string>,
) {
  return {
    number: call.attempt,
    recipients: recipients
      .filter(({ call_id }) => call_id === call.id)
      .map(({ id }) => toPublicId('recipient', id)),
    provider: call.provider,
    account: accountNames.get(call.account_id) ?? toPublicId('providerAccount', call.account_id),
    outcome: call.state,
    class: call.class,
    code: call.code,
    words: call.words,
    providerMessageId: call.provider_message_id,
    callId: toPublicId('call', call.id),
    at: call.claimed_at.toISOString(),
    ms: call.done_at === null ? null : call.done_at.getTime() - call.claimed_at.getTime(),
    repeats: call.repeats,
    reconciledAt: iso(call.reconciled_at),
    reconciledBy: call.reconciled_by,
  };
}

function countDelivery(recipients: RecipientRow[]) {
  const counts = { pending: 0, delivered: 0, bounced: 0, other: 0 };
  for (const row of recipients) {
    const status: RecipientStatus = statusOfRow(row);
    if (status === 'delivered' || status === 'bounced') counts[status] += 1;
    else if (isSettled(status)) counts.other += 1;
    else counts.pending += 1;
  }
  return counts;
}

/** What accepted calls cost by the price that the account had then; null where it had none. */
export function costOf(recipients: RecipientRow[], calls: CallRow[]) {
  let micros = 0;
  let currency: string | null = null;
  for (const call of calls) {
    if (call.state !== 'accepted' || call.price_micros === null) continue;
    const accepted = recipients.filter((row) => row.call_id === call.id && row.sent_at).length;
    micros += Math.round((Number(call.price_micros) * accepted) / 1000);
    currency = call.price_currency;
  }
  return currency === null ? null : { micros, currency };
}
