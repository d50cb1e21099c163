import { setTimeout as sleep } from 'node:timers/promises';
import { toPublicId } from '../../domain/ids.ts';
import { messageStatuses, type MessageStatus } from '../../domain/message-status.ts';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import { reportAttempt, type AttemptReport } from './attempt-report.ts';
import { callProvider } from './call-provider.ts';
import { claimRecipients, type Claim } from './claim.ts';
import { concludeMessage } from './conclude-message.ts';
import { holdMessage, isTenantSuspended } from './hold-message.ts';
import { recordOwnFacts } from './own-facts.ts';
import { prepareAttempt, type PreparedAttempt } from './prepare-attempt.ts';
import { recordOutcome, type CallOutcome } from './record-outcome.ts';
import { getLedger, type CallRow } from './records.ts';
import { refreshMessage } from './refresh-message.ts';

export interface DeliverInput {
  /** UUID of the message. */
  messageId: string;
  attempt: number;
  step: 'first' | 'repeat';
  /** In [0, 1), belongs to the message. */
  spread: number;
}

/** How long this activity may run. */
export interface DeliverRun {
  /** On the monotonic clock (`performance.now()`): when the activity is timed out. */
  deadlineMs: number;
  timing: { providerTimeoutMs: number; callWithinMs: number; answerGraceMs: number };
}

export type DeliverResult =
  | ({ kind: 'attempted' } & AttemptReport)
  /** The call has an outcome that PostgreSQL did not take; `recordOutcome` must. */
  | { kind: 'unpersisted'; outcome: CallOutcome }
  /** Nothing is left to do. */
  | { kind: 'ended'; status: MessageStatus }
  /** Cannot go now; ask again in `waitMs`. */
  | { kind: 'held'; reason: 'suspended' | 'not_due' | 'busy'; waitMs: number };

/** How often a held message asks again whether its tenant is active. */
const SUSPENDED_WAIT_MS = 30_000;
const PERSIST_TRIES = 5;

/**
 * One attempt, whole: pinned source, render, route, claim, call, outcome. It may run twice for one attempt; the ledger
 * tells what the first run did. Throws only for our own infrastructure.
 */
export async function deliver(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
  run: DeliverRun,
): Promise<DeliverResult> {
  const earlier = await settleEarlierCall(platform, tenant, input);
  if (earlier) return earlier;
  const prepared = await prepareAttempt(platform, tenant, input);
  if (prepared.kind === 'failed') {
    const { status } = await concludeMessage(platform, tenant, input.messageId, prepared);
    return { kind: 'ended', status };
  }
  const call = await claim(platform, tenant, input, prepared, run);
  if (call.claimed.length === 0) return explainRefusal(platform, tenant, input);
  platform.failpoints('after_claim');
  const outcome = await callProvider(platform, tenant, input, prepared, call, run);
  platform.failpoints('after_response');
  return persist(platform, tenant, input, outcome);
}

/** A run of this activity before us: what it left open is waited for, what it concluded is the answer. */
async function settleEarlierCall(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
): Promise<DeliverResult | undefined> {
  const ledger = await platform.app.inTenant(tenant.id, (em) =>
    getLedger(em, tenant.id, input.messageId),
  );
  const call = ledger.calls.find((row) => row.attempt === input.attempt);
  if (!call) {
    const isFinal = messageStatuses[ledger.message.status as MessageStatus].isFinal;
    return isFinal ? { kind: 'ended', status: ledger.message.status as MessageStatus } : undefined;
  }
  const isOpen = ledger.recipients.some((row) => row.call_id === call.id && row.answer_by);
  if (isOpen) {
    await waitForAnswerBy(platform, tenant, call.id);
    await recordOutcome(platform, tenant, unknownOutcome(call, ledger.message.id, input.spread));
  } else if (input.step === 'repeat' && call.state === 'unknown') return undefined;
  return reportFromLedger(platform, tenant, input);
}

/** Nobody calls a claim unknown, or acts on it, before its time to answer is over, by the clock that set it. */
async function waitForAnswerBy(
  platform: Platform,
  tenant: TenantHandle,
  callId: string,
): Promise<void> {
  for (;;) {
    const [row] = await platform.app.inTenant(tenant.id, (em) =>
      query<{ left_ms: number }>(
        em,
        `SELECT (extract(epoch FROM answer_by - clock_timestamp()) * 1000)::float8 AS left_ms
           FROM provider_calls WHERE tenant_id = $1 AND id = $2`,
        [tenant.id, callId],
      ),
    );
    if (!row || row.left_ms <= 0) return;
    await sleep(Math.ceil(row.left_ms));
  }
}

function unknownOutcome(call: CallRow, messageId: string, spread: number): CallOutcome {
  return { callId: call.id, messageId, recipients: [], at: Date.now(), spread };
}

async function claim(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
  prepared: Extract<PreparedAttempt, { kind: 'ready' }>,
  run: DeliverRun,
): Promise<Claim & { callId: string; claimedAtMs: number }> {
  const { providerTimeoutMs, callWithinMs, answerGraceMs } = run.timing;
  const answerWithinMs = callWithinMs + providerTimeoutMs + answerGraceMs;
  const callId = prepared.repeatOf ?? newUuid();
  let claimedAtMs = performance.now();
  const result = await platform.app.inTenant(tenant.id, async (em): Promise<Claim> => {
    // Read before the claim is sent, so that what the database needs counts against the time to call; and after there
    // is a connection to send it on, or a busy pool would make every claim too old to be used.
    claimedAtMs = performance.now();
    if (claimedAtMs + answerWithinMs > run.deadlineMs) return { claimed: [], suppressed: [] };
    const claimed = await claimRecipients(em, {
      tenantId: tenant.id,
      messageId: input.messageId,
      attempt: input.attempt,
      step: input.step,
      callId,
      accountId: prepared.stored.id,
      provider: prepared.stored.provider,
      decision: prepared.decision,
      priceMicros: prepared.stored.priceMicros ?? null,
      priceCurrency: prepared.stored.priceCurrency ?? null,
      callWithinMs,
      answerWithinMs,
    });
    await recordOwnFacts(
      em,
      tenant.id,
      input.messageId,
      null,
      platform.now(),
      claimed.suppressed.map(({ id, reason }) => ({ type: 'suppressed', recipientId: id, reason })),
    );
    if (claimed.claimed.length === 0 && claimed.suppressed.length > 0)
      await refreshMessage(em, tenant.id, input.messageId, { open: null, settledBy: 'outcome' });
    return claimed;
  });
  return { ...result, callId, claimedAtMs };
}

/** Nothing could be claimed: the ledger says why. */
async function explainRefusal(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
): Promise<DeliverResult> {
  const { message, isSuspended } = await platform.app.inTenant(tenant.id, async (em) => ({
    ...(await getLedger(em, tenant.id, input.messageId)),
    isSuspended: await isTenantSuspended(em, tenant.id),
  }));
  const status = message.status as MessageStatus;
  if (messageStatuses[status].isFinal) return { kind: 'ended', status };
  const now = platform.now();
  if (message.expires_at && message.expires_at <= now) {
    const { status: ended } = await concludeMessage(platform, tenant, input.messageId, {
      reason: 'expired',
    });
    return { kind: 'ended', status: ended };
  }
  if (isSuspended) {
    const until = new Date(now.getTime() + SUSPENDED_WAIT_MS);
    await holdMessage(platform, tenant, input.messageId, 'suspended', until);
    return { kind: 'held', reason: 'suspended', waitMs: SUSPENDED_WAIT_MS };
  }
  if (message.scheduled_at && message.scheduled_at > now)
    return {
      kind: 'held',
      reason: 'not_due',
      waitMs: message.scheduled_at.getTime() - now.getTime(),
    };
  return { kind: 'held', reason: 'busy', waitMs: 1_000 };
}

async function persist(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
  outcome: CallOutcome,
): Promise<DeliverResult> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await recordOutcome(platform, tenant, outcome);
      platform.failpoints('after_outcome_commit');
      return await reportFromLedger(platform, tenant, input);
    } catch (error) {
      platform.log.warn(
        { err: error, messageId: toPublicId('message', input.messageId) },
        'the outcome of a provider call is not stored yet',
      );
      // Words may hold an address, and this travels through a workflow's history.
      if (attempt === PERSIST_TRIES) {
        const withoutWords = { ...outcome };
        delete withoutWords.words;
        return { kind: 'unpersisted', outcome: withoutWords };
      }
      await sleep(Math.min(200 * 2 ** attempt, 2_000));
    }
  }
}

export async function reportFromLedger(
  platform: Platform,
  tenant: TenantHandle,
  input: Pick<DeliverInput, 'messageId' | 'attempt'>,
): Promise<{ kind: 'attempted' } & AttemptReport> {
  const ledger = await platform.app.inTenant(tenant.id, (em) =>
    getLedger(em, tenant.id, input.messageId),
  );
  return { kind: 'attempted', ...reportAttempt(ledger, input.attempt) };
}
