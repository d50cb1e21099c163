import { newUuid } from '../../runtime/new-uuid.ts';
import { toUuid } from '../../domain/ids.ts';
import type { Outcome } from '../../domain/outcome.ts';
import { claimRecipients, type Claim, type ClaimInput } from '../../services/delivery/claim.ts';
import { getLedger, openAddress, statusOfRow } from '../../services/delivery/records.ts';
import { recordOutcome } from '../../services/delivery/record-outcome.ts';
import { acceptMessage } from '../../services/messages/accept-message.ts';
import type { AcceptMessageInput } from '../../services/messages/message-input.ts';
import type { ServiceContext } from '../../services/context.ts';
import { aMessage, anAccount } from './tenant.ts';

// A message at each point of its life, without a provider or a workflow.

export interface StoredMessage {
  ctx: ServiceContext;
  id: string;
  messageId: string;
  accountId: string;
}

export async function aStoredMessage(
  ctx: ServiceContext,
  overrides: Partial<AcceptMessageInput> = {},
  accountId?: string,
): Promise<StoredMessage> {
  const account =
    accountId ?? (await anAccount(ctx, { settings: { baseUrl: 'http://127.0.0.1:9' } }));
  const { id } = await acceptMessage(ctx, aMessage(overrides));
  return { ctx, id, messageId: toUuid('message', id), accountId: account };
}

export async function claim(
  { ctx, messageId, accountId }: StoredMessage,
  change: Partial<ClaimInput> = {},
): Promise<Claim & { callId: string }> {
  const callId = change.callId ?? newUuid();
  const claimed = await ctx.read((em) =>
    claimRecipients(em, {
      tenantId: ctx.tenant.id,
      messageId,
      attempt: 1,
      callId,
      accountId,
      provider: 'sendgrid',
      decision: {
        candidates: [],
        chosen: accountId,
        honoursCallId: false,
        deliveryEvents: 'full',
        renderedAt: new Date().toISOString(),
        renderMs: 1,
        sizeBytes: 1,
      },
      priceMicros: null,
      priceCurrency: null,
      callWithinMs: 500,
      answerWithinMs: 1_500,
      step: 'first',
      ...change,
    }),
  );
  return { ...claimed, callId };
}

export async function conclude(
  { ctx, messageId }: StoredMessage,
  { claimed, callId }: Claim & { callId: string },
  outcome: Outcome,
  more: { providerMessageId?: string; at?: number } = {},
): Promise<void> {
  await recordOutcome(ctx.platform, ctx.tenant, {
    callId,
    messageId,
    at: Date.now(),
    spread: 0.5,
    recipients: claimed.map(({ id }) => ({ id, outcome })),
    ...more,
  });
}

/** A message whose first attempt a provider accepted. */
export async function aSentMessage(
  ctx: ServiceContext,
  overrides: Partial<AcceptMessageInput> = {},
): Promise<StoredMessage & { callId: string }> {
  const message = await aStoredMessage(ctx, overrides);
  const claimed = await claim(message);
  await conclude(message, claimed, { kind: 'accepted' });
  return { ...message, callId: claimed.callId };
}

/** What the tables say of it, readable. */
export async function look({ ctx, messageId }: Pick<StoredMessage, 'ctx' | 'messageId'>) {
  const { message, recipients, calls } = await ctx.read((em) =>
    getLedger(em, ctx.tenant.id, messageId),
  );
  return {
    status: message.status,
    duplicate: message.duplicate_detected,
    hasCheck: message.check_at !== null,
    settledBy: message.settled_by,
    recipients: recipients.map((row) => ({
      email: openAddress(ctx.tenant, row).email,
      status: statusOfRow(row),
      attempt: row.attempt,
      isOpen: row.answer_by !== null,
      awaiting: row.awaiting,
      sentAt: row.sent_at,
      bounceKind: row.bounce_kind,
      reason: row.bounce_reason ?? row.reason,
    })),
    calls: calls.map(({ state, class: errorClass, attempt, reconciled_by }) => ({
      state,
      errorClass,
      attempt,
      reconciledBy: reconciled_by,
    })),
  };
}
