import {
  recipientStatusNames,
  recipientStatuses,
  type RecipientStatus,
} from '../domain/recipient-status.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from './context.ts';

export interface BalanceFilter {
  since?: Date | undefined;
  until?: Date | undefined;
}

export interface Balance {
  /** Recipients named in stored acceptances. */
  accepted: number;
  inProgress: number;
  recipients: Record<RecipientStatus, number>;
  duplicateDetected: number;
  unmatchedEvents: number;
  unexplained: number;
}

/** A call that is not concluded this long after its time to answer has been forgotten. */
const OVERDUE = "interval '2 minutes'";
/** Runs are compared with Temporal at least this often; an older check means that nobody looks. */
const CHECK_OVERDUE = "interval '15 minutes'";

/**
 * Do the books balance? Recipients that were accepted against recipients that have a state, and everything open
 * against the thing that will move it. `unexplained` must be 0. One snapshot, so that nothing moves while it counts.
 */
export async function getBalance(ctx: ServiceContext, filter: BalanceFilter): Promise<Balance> {
  return ctx.read(async (em) => {
    const values = [ctx.tenant.id, ctx.mode, filter.since ?? null, filter.until ?? null];
    const [row] = await query<Record<string, string>>(
      em,
      `WITH message AS (
         SELECT m.*, EXISTS (SELECT 1 FROM workflow_starts s WHERE s.tenant_id = m.tenant_id
             AND s.kind = 'message' AND s.subject_id = m.id) AS has_start
           FROM messages m
          WHERE m.tenant_id = $1 AND m.mode = $2
            AND ($3::timestamptz IS NULL OR m.created_at >= $3) AND ($4::timestamptz IS NULL OR m.created_at < $4)
       ), recipient AS (
         SELECT r.state, r.answer_by, m.has_start, m.check_at, m.held_until, m.status, m.duplicate_detected
           FROM recipients r JOIN message m ON r.message_id = m.id WHERE r.tenant_id = $1
       )
       SELECT (SELECT coalesce(sum(recipient_count), 0) FROM message) AS accepted,
         (SELECT count(*) FROM message WHERE duplicate_detected) AS duplicate_detected,
         (SELECT count(*) FROM events e WHERE e.tenant_id = $1 AND e.recipient_id IS NULL AND e.type <> 'other'
           AND ($3::timestamptz IS NULL OR e.received_at >= $3)
           AND ($4::timestamptz IS NULL OR e.received_at < $4)
           AND EXISTS (SELECT 1 FROM provider_accounts a WHERE a.tenant_id = $1 AND a.id = e.account_id AND a.mode = $2)
         ) AS unmatched_events,
         (SELECT count(*) FROM recipient WHERE state = 'p' OR (state = 'u' AND status = 'reconciling')) AS in_progress,
         (SELECT count(*) FROM recipient WHERE (state = 'p' OR (state = 'u' AND status = 'reconciling'))
            AND NOT has_start AND NOT coalesce(check_at > now() - ${CHECK_OVERDUE}, false)
            AND NOT coalesce(answer_by > now(), false)) AS unattended,
         (SELECT count(*) FROM provider_calls c JOIN message m ON c.message_id = m.id
           WHERE c.tenant_id = $1 AND c.state = 'claimed' AND c.answer_by < now() - ${OVERDUE}) AS overdue_calls,
         ${recipientStatusNames
           .map(
             (name) =>
               `(SELECT count(*) FROM recipient WHERE state = '${recipientStatuses[name].letter}') AS ${name}`,
           )
           .join(',\n         ')}`,
      values,
    );
    const number = (name: string) => Number(row?.[name] ?? 0);
    const recipients = Object.fromEntries(
      recipientStatusNames.map((name) => [name, number(name)]),
    ) as Record<RecipientStatus, number>;
    const accepted = number('accepted');
    const counted = Object.values(recipients).reduce((sum, n) => sum + n, 0);
    return {
      accepted,
      inProgress: number('in_progress'),
      recipients,
      duplicateDetected: number('duplicate_detected'),
      unmatchedEvents: number('unmatched_events'),
      unexplained: Math.abs(accepted - counted) + number('unattended') + number('overdue_calls'),
    };
  });
}
