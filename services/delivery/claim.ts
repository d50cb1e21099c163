import type { EntityManager } from '@mikro-orm/postgresql';
import { recipientStatuses } from '../../domain/recipient-status.ts';
import { query } from '../../runtime/database.ts';
import type { CallDecision, RecipientRow } from './records.ts';

const { pending, suppressed, unknown } = recipientStatuses;

export interface ClaimInput {
  tenantId: string;
  messageId: string;
  attempt: number;
  /** Id of the provider call, made by the caller before the first try. */
  callId: string;
  accountId: string;
  provider: string;
  decision: CallDecision;
  priceMicros: number | null;
  priceCurrency: string | null;
  /** From the claim to the request; later it must not be written. */
  callWithinMs: number;
  /** From the claim to the moment from which the call may be called unknown. */
  answerWithinMs: number;
  /**
   * `repeat` sends an unknown call again under its own id, for accounts that answer the second time as the first.
   */
  step: 'first' | 'repeat';
}

export interface Claim {
  claimed: Pick<RecipientRow, 'id' | 'kind' | 'address_enc' | 'address_hash'>[];
  suppressed: { id: string; reason: string }[];
}

/**
 * The one door to a provider: nobody calls without what this returns. It tests, in the transaction that takes the
 * recipients, that each is in the state the step names, that no earlier call is open, that it is not suppressed, and
 * that the message is due, not expired, not cancelled and its tenant active. No recipients: nothing was claimed.
 */
export async function claimRecipients(em: EntityManager, input: ClaimInput): Promise<Claim> {
  // A statement of its own: suspending takes this lock alone and waits for claims in flight, and whoever comes after
  // it must read the tenant's state afresh.
  await query(em, 'SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [
    `tenant/${input.tenantId}`,
  ]);
  const rows = await query<
    Claim['claimed'][number] & { outcome: 'claimed' | 'suppressed'; reason: string }
  >(em, input.step === 'first' ? FIRST_CLAIM : REPEAT_CLAIM, [
    input.tenantId,
    input.messageId,
    input.attempt,
    input.callId,
    input.callWithinMs,
    input.answerWithinMs,
    ...(input.step === 'first'
      ? [
          input.accountId,
          input.provider,
          JSON.stringify(input.decision),
          input.priceMicros,
          input.priceCurrency,
        ]
      : []),
  ]);
  return {
    claimed: rows.filter((row) => row.outcome === 'claimed'),
    suppressed: rows.filter((row) => row.outcome === 'suppressed'),
  };
}

/** Times are the database's own, read when the statement reaches them and not when the transaction began. */
const SENDABLE_MESSAGE = `
  SELECT m.id, m.mode, m.stream FROM messages m JOIN tenants t ON t.id = m.tenant_id
   WHERE m.tenant_id = $1 AND m.id = $2 AND t.state = 'active' AND m.cancelled_at IS NULL
     AND (m.scheduled_at IS NULL OR m.scheduled_at <= clock_timestamp())
     AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
     FOR NO KEY UPDATE OF m`;

const FIRST_CLAIM = `
  WITH message AS (${SENDABLE_MESSAGE}), eligible AS (
    SELECT r.*, (
      SELECT x.reason FROM suppressions x
       WHERE x.tenant_id = $1 AND x.address_hash = r.address_hash
         AND x.stream IN ('transactional', message.stream) AND message.mode = 'live' LIMIT 1) AS suppression
    FROM recipients r JOIN message ON r.message_id = message.id
    WHERE r.tenant_id = $1 AND r.state = '${pending.letter}' AND r.answer_by IS NULL AND r.attempt < $3
    ORDER BY r.id FOR NO KEY UPDATE OF r
  ), suppressed AS (
    UPDATE recipients r SET state = '${suppressed.letter}', reason = e.suppression FROM eligible e
     WHERE r.tenant_id = $1 AND r.id = e.id AND e.suppression IS NOT NULL
    RETURNING r.id, r.kind, r.address_enc, r.address_hash, r.reason
  ), earlier AS (
    INSERT INTO attempts (tenant_id, recipient_id, n, call_id, state, sent_at, deferred_at, delivered_at, bounced_at,
      rejected_at, opened_at, machine_opened_at, clicked_at, complained_at, unsubscribed_at, bounce_kind, bounce_reason)
    SELECT $1, e.id, e.attempt, e.call_id, 'refused', e.sent_at, e.deferred_at, e.delivered_at, e.bounced_at,
      e.rejected_at, e.opened_at, e.machine_opened_at, e.clicked_at, e.complained_at, e.unsubscribed_at,
      e.bounce_kind, e.bounce_reason
    FROM eligible e WHERE e.suppression IS NULL AND e.call_id IS NOT NULL
  ), claimed AS (
    UPDATE recipients r SET attempt = $3, call_id = $4, reason = NULL,
      answer_by = clock_timestamp() + $6 * interval '1 ms',
      sent_at = NULL, deferred_at = NULL, delivered_at = NULL, bounced_at = NULL, rejected_at = NULL, opened_at = NULL,
      machine_opened_at = NULL, clicked_at = NULL, complained_at = NULL, unsubscribed_at = NULL, bounce_kind = NULL,
      bounce_reason = NULL
    FROM eligible e WHERE r.tenant_id = $1 AND r.id = e.id AND e.suppression IS NULL
    RETURNING r.id, r.kind, r.address_enc, r.address_hash
  ), call AS (
    INSERT INTO provider_calls (tenant_id, id, message_id, attempt, account_id, provider, recipient_count, decision,
      claimed_at, call_by, answer_by, price_micros, price_currency)
    SELECT $1, $4, $2, $3, $7, $8, count(*), $9::jsonb, clock_timestamp(),
      clock_timestamp() + $5 * interval '1 ms', clock_timestamp() + $6 * interval '1 ms', $10, $11
    FROM claimed HAVING count(*) > 0
  ), sending AS (
    UPDATE messages SET status = 'sending', held_reason = NULL, held_until = NULL, provider = $8, account_id = $7
     WHERE tenant_id = $1 AND id = $2 AND EXISTS (SELECT 1 FROM claimed)
  )
  SELECT id, kind, address_enc, address_hash, 'claimed' AS outcome, NULL AS reason FROM claimed
  UNION ALL
  SELECT id, kind, address_enc, address_hash, 'suppressed', reason FROM suppressed
  ORDER BY id`;

const REPEAT_CLAIM = `
  WITH message AS (${SENDABLE_MESSAGE}), call AS (
    UPDATE provider_calls c SET repeats = c.repeats + 1, call_by = clock_timestamp() + $5 * interval '1 ms',
      answer_by = clock_timestamp() + $6 * interval '1 ms'
    FROM message
    WHERE c.tenant_id = $1 AND c.id = $4 AND c.message_id = message.id AND c.attempt = $3 AND c.state = 'unknown'
      AND c.answer_by <= clock_timestamp()
    RETURNING c.id
  ), claimed AS (
    UPDATE recipients r SET answer_by = clock_timestamp() + $6 * interval '1 ms' FROM call
     WHERE r.tenant_id = $1 AND r.message_id = $2 AND r.call_id = call.id AND r.state = '${unknown.letter}'
       AND r.answer_by IS NULL
    RETURNING r.id, r.kind, r.address_enc, r.address_hash
  )
  SELECT id, kind, address_enc, address_hash, 'claimed' AS outcome, NULL AS reason FROM claimed ORDER BY id`;
