import type { EntityManager } from '@mikro-orm/postgresql';
import { retryHelps, retryWaitMs } from '../../domain/next-step.ts';
import { outcomeRank, type ErrorClass, type Outcome } from '../../domain/outcome.ts';
import { isSettled, type SettledBy } from '../../domain/message-status.ts';
import {
  recipientStatuses,
  statusOfFacts,
  type RecipientStatus,
} from '../../domain/recipient-status.ts';
import { query } from '../../runtime/database.ts';
import { adoptUnmatchedEvents } from '../events/adopt-unmatched.ts';
import { raiseAlarm, type AlarmKind } from '../alarm.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import { detectDuplicate } from './detect-duplicate.ts';
import { recordOwnFacts, type RecordedFact } from './own-facts.ts';
import {
  factsOfRow,
  getLedger,
  type CallRow,
  type CallState,
  type RecipientRow,
} from './records.ts';
import { refreshMessage } from './refresh-message.ts';

/** What one provider call came to, for each of its recipients by id. Small enough to travel as a payload. */
export interface CallOutcome {
  callId: string;
  messageId: string;
  recipients: { id: string; outcome: Outcome; code?: string }[];
  providerMessageId?: string;
  code?: string;
  words?: string;
  /** When the provider answered, epoch milliseconds. */
  at: number;
  /** A number in [0, 1) that belongs to the message; spreads its retries. */
  spread: number;
  /** How an outcome after an unknown one was learnt. */
  reconciledBy?: 'repeat' | 'event';
}

/**
 * Writes an outcome. Doing it twice changes nothing, and of two outcomes the higher ranked stands: a late answer
 * counts, an early guess does not undo it.
 */
export async function recordOutcome(
  platform: Platform,
  tenant: TenantHandle,
  outcome: CallOutcome,
): Promise<void> {
  const alarms = await platform.app.inTenant(tenant.id, (em) =>
    writeOutcome(em, platform, tenant, outcome),
  );
  for (const alarm of alarms)
    await raiseAlarm(platform, tenant, alarm, { messageId: outcome.messageId });
}

async function writeOutcome(
  em: EntityManager,
  platform: Platform,
  tenant: TenantHandle,
  given: CallOutcome,
): Promise<AlarmKind[]> {
  const { message, recipients, calls } = await getLedger(em, tenant.id, given.messageId, true);
  const call = calls.find(({ id }) => id === given.callId);
  if (!call) throw new Error(`no provider call ${given.callId}`);
  const concerned = recipients.filter((row) => row.call_id === call.id);
  const outcome = withProof(given, concerned);
  const state = callState(outcome);
  // A repeat never says refused (see `callProvider`): this is the first request, paused for long, and its repeat may
  // be under way or accepted.
  if (state === 'refused' && call.repeats > 0) return [];
  if (outcomeRank[call.state] >= outcomeRank[state]) {
    await closeRepeat(em, tenant.id, call, concerned);
    return [];
  }

  // The answer never came, and an event has proved the mail: the call was unknown, if only to itself.
  const wasUnknown = call.state === 'unknown' || callState(given) === 'unknown';
  const heldUntil = await updateCall(em, tenant.id, call, state, outcome, {
    wasUnknown,
    earlierNotCalled: calls.filter(
      (row) => row.attempt < call.attempt && row.class === 'not_called',
    ).length,
  });
  const at = new Date(outcome.at);
  const facts: RecordedFact[] = [];
  const isWatched = message.wait_for === 'delivery' && call.decision.deliveryEvents !== 'none';
  const changes = concerned.map((row) => {
    const result = outcome.recipients.find(({ id }) => id === row.id);
    // A recipient that the answer does not name shared the call's fate as a whole.
    const kind = result?.outcome.kind ?? 'unknown';
    const errorClass =
      result && result.outcome.kind !== 'accepted' ? result.outcome.class : undefined;
    facts.push({
      type: `attempt_${kind}`,
      recipientId: row.id,
      attempt: call.attempt,
      callId: call.id,
      reason: errorClass,
    });
    const status = statusAfter(row, kind, errorClass);
    if (status === 'failed')
      facts.push({
        type: 'failed',
        recipientId: row.id,
        attempt: call.attempt,
        callId: call.id,
        reason: errorClass,
      });
    return {
      id: row.id,
      status,
      reason: status === 'failed' ? (errorClass ?? null) : null,
      sentAt: kind === 'accepted' ? at : null,
      awaiting: status === 'unknown' || (isWatched && !isSettled(status) && status !== 'pending'),
    };
  });
  await updateRecipients(em, tenant.id, changes);
  await recordOwnFacts(em, tenant.id, message.id, call.provider, at, facts);

  const isUnknown = changes.some(({ status }) => status === 'unknown');
  if (isUnknown && call.decision.deliveryEvents !== 'none')
    await query(em, 'UPDATE messages SET reconcile_until = $3 WHERE tenant_id = $1 AND id = $2', [
      tenant.id,
      message.id,
      new Date(outcome.at + reconcileWindowMs(platform, message.stream)),
    ]);
  const isPending = changes.some(({ status }) => status === 'pending');
  if (isPending)
    await query(
      em,
      `UPDATE messages SET held_reason = 'backoff', held_until = $3 WHERE tenant_id = $1 AND id = $2`,
      [tenant.id, message.id, heldUntil],
    );
  const errorClass = changes.find(({ reason }) => reason !== null)?.reason;
  await refreshMessage(em, tenant.id, message.id, {
    open: isUnknown ? 'reconciling' : isPending ? 'held' : null,
    ...(errorClass && { reason: errorClass }),
    settledBy: settledBy(message.wait_for, isWatched, changes),
  });
  if (outcome.providerMessageId !== undefined && call.provider_message_id === null)
    await adoptUnmatchedEvents(em, tenant.id, {
      ...call,
      provider_message_id: outcome.providerMessageId,
    });
  return detectDuplicate(em, tenant.id, message.id);
}

function settledBy(
  waitFor: 'delivery' | 'acceptance',
  isWatched: boolean,
  changes: { status: RecipientStatus }[],
): SettledBy {
  if (changes.every(({ status }) => status === 'failed')) return 'outcome';
  if (isWatched) return 'events';
  return waitFor === 'acceptance' ? 'acceptance' : 'account';
}

function reconcileWindowMs({ settings }: Platform, stream: 'transactional' | 'marketing'): number {
  return stream === 'transactional'
    ? settings.RECONCILE_WINDOW_TRANSACTIONAL_MS
    : settings.RECONCILE_WINDOW_MARKETING_MS;
}

/** An event that came before the answer may have proved already that the provider took the mail. */
function withProof(outcome: CallOutcome, concerned: RecipientRow[]): CallOutcome {
  const proven = concerned.filter((row) => row.sent_at);
  if (proven.length === 0) return outcome;
  const accepted = proven.map(({ id }) => ({ id, outcome: { kind: 'accepted' as const } }));
  const others = concerned
    .filter((row) => !row.sent_at)
    .map(({ id }) => outcome.recipients.find((recipient) => recipient.id === id))
    .filter((recipient) => recipient !== undefined);
  return {
    ...outcome,
    recipients: [...accepted, ...others],
    reconciledBy: outcome.reconciledBy ?? 'event',
  };
}

function callState(outcome: CallOutcome): Exclude<CallState, 'claimed'> {
  const kinds = outcome.recipients.map((recipient) => recipient.outcome.kind);
  if (kinds.includes('accepted')) return 'accepted';
  return kinds.includes('unknown') || kinds.length === 0 ? 'unknown' : 'refused';
}

/** The provider's answer, beside what events have told us already. */
function statusAfter(
  row: RecipientRow,
  kind: Outcome['kind'],
  errorClass: ErrorClass | undefined,
): RecipientStatus {
  const status = statusOfFacts(factsOfRow(row, kind));
  if (status !== 'pending') return status;
  return errorClass !== undefined && retryHelps[errorClass] ? 'pending' : 'failed';
}

async function updateCall(
  em: EntityManager,
  tenantId: string,
  call: CallRow,
  state: CallState,
  outcome: CallOutcome,
  { wasUnknown, earlierNotCalled }: { wasUnknown: boolean; earlierNotCalled: number },
): Promise<Date | null> {
  const refusal = outcome.recipients
    .map(({ outcome: result }) => result)
    .find((result) => result.kind !== 'accepted');
  const errorClass = refusal && 'class' in refusal ? refusal.class : null;
  const retryAfterMs = refusal?.kind === 'refused' ? refusal.retryAfterMs : undefined;
  const waitMs =
    state === 'refused' && errorClass !== null && retryHelps[errorClass]
      ? retryWaitMs(
          {
            attempt: call.attempt,
            class: errorClass,
            retryAfterMs,
            notCalled: earlierNotCalled + (errorClass === 'not_called' ? 1 : 0),
          },
          outcome.spread,
        )
      : 0;
  const heldUntil = waitMs > 0 ? new Date(outcome.at + waitMs) : null;
  await query(
    em,
    `UPDATE provider_calls SET state = $3, class = $4, code = coalesce($5, code), words = coalesce($6, words),
       provider_message_id = coalesce($7, provider_message_id), done_at = coalesce(done_at, $8), held_until = $9,
       reconciled_at = CASE WHEN $11 THEN $8 ELSE reconciled_at END,
       reconciled_by = CASE WHEN $11 THEN $10 ELSE reconciled_by END
     WHERE tenant_id = $1 AND id = $2`,
    [
      tenantId,
      call.id,
      state,
      state === 'accepted' && !refusal ? null : errorClass,
      outcome.code ?? null,
      outcome.words ?? null,
      outcome.providerMessageId ?? null,
      new Date(outcome.at),
      heldUntil,
      outcome.reconciledBy ?? 'late_answer',
      wasUnknown && state !== 'unknown',
    ],
  );
  return heldUntil;
}

async function updateRecipients(
  em: EntityManager,
  tenantId: string,
  changes: {
    id: string;
    status: RecipientStatus;
    reason: string | null;
    sentAt: Date | null;
    awaiting: boolean;
  }[],
): Promise<void> {
  await query(
    em,
    `UPDATE recipients r SET state = c.state::"char", reason = coalesce(c.reason, r.reason),
       sent_at = coalesce(r.sent_at, c.sent_at), awaiting = c.awaiting, answer_by = NULL
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[])
       AS c (id, state, reason, sent_at, awaiting)
     WHERE r.tenant_id = $1 AND r.id = c.id`,
    [
      tenantId,
      changes.map(({ id }) => id),
      changes.map(({ status }) => recipientStatuses[status].letter),
      changes.map(({ reason }) => reason),
      changes.map(({ sentAt }) => sentAt),
      changes.map(({ awaiting }) => awaiting),
    ],
  );
}

/** A repeat that taught us nothing new only ends: the call stays what it was. */
async function closeRepeat(
  em: EntityManager,
  tenantId: string,
  call: CallRow,
  concerned: RecipientRow[],
): Promise<void> {
  if (!concerned.some((row) => row.answer_by)) return;
  await query(em, 'UPDATE recipients SET answer_by = NULL WHERE tenant_id = $1 AND call_id = $2', [
    tenantId,
    call.id,
  ]);
  await query(
    em,
    'UPDATE provider_calls SET answer_by = least(answer_by, now()) WHERE tenant_id = $1 AND id = $2',
    [tenantId, call.id],
  );
}
