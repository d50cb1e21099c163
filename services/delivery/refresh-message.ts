import type { EntityManager } from '@mikro-orm/postgresql';
import {
  isSettled,
  messageStatusOf,
  isOpen,
  type MessageStatus,
  type OpenMessageStatus,
  type SettledBy,
} from '../../domain/message-status.ts';
import { recipientStatusOf } from '../../domain/recipient-status.ts';
import { query } from '../../runtime/database.ts';

export interface Refresh {
  /** How far the work is while recipients are open; null leaves what is stored. */
  open: OpenMessageStatus | null;
  /** What ended the story, if it is over now. */
  settledBy: SettledBy;
  /** Why it failed, where it did. */
  reason?: string;
}

/**
 * Brings the message's row in line with its recipients, whose rows the caller has locked and changed. A message that
 * needs nobody any more loses its check; one that does has one.
 */
export async function refreshMessage(
  em: EntityManager,
  tenantId: string,
  messageId: string,
  refresh: Refresh,
): Promise<{ status: string; isSettled: boolean }> {
  const rows = await query<{ state: string; awaiting: boolean; status: MessageStatus }>(
    em,
    `SELECT r.state, r.awaiting, m.status FROM recipients r
       JOIN messages m ON m.tenant_id = r.tenant_id AND m.id = r.message_id
      WHERE r.tenant_id = $1 AND r.message_id = $2`,
    [tenantId, messageId],
  );
  const stored = rows[0]?.status ?? 'sending';
  const open = refresh.open ?? (isOpen(stored) ? stored : null);
  const states = rows.map((row) => recipientStatusOf(row.state));
  const status = messageStatusOf(states, open);
  const allSettled = states.every(isSettled) && status !== 'reconciling';
  const watched = rows.some((row) => row.awaiting) || isOpen(status);
  await query(
    em,
    `UPDATE messages SET
       status = $3,
       reason = CASE WHEN $3 = 'failed' THEN coalesce($4, reason) END,
       held_reason = CASE WHEN $3 = 'held' THEN held_reason END,
       held_until = CASE WHEN $3 = 'held' THEN held_until END,
       reconcile_until = CASE WHEN $3 = 'reconciling' THEN reconcile_until END,
       sent_at = (SELECT min(r.sent_at) FROM recipients r WHERE r.tenant_id = $1 AND r.message_id = $2),
       settled_at = CASE WHEN $5 THEN NULL ELSE coalesce(settled_at, now()) END,
       settled_by = CASE WHEN $5 THEN NULL ELSE coalesce(settled_by, $6) END,
       check_at = CASE WHEN $5 THEN coalesce(check_at, now()) END
     WHERE tenant_id = $1 AND id = $2`,
    [tenantId, messageId, status, refresh.reason ?? null, watched, refresh.settledBy],
  );
  return { status, isSettled: allSettled };
}
