import { recipientStatuses, type RecipientStatus } from '../../domain/recipient-status.ts';
import type { MessageStatus } from '../../domain/message-status.ts';
import { query } from '../../runtime/database.ts';
import { raiseAlarm } from '../alarm.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import { recordOwnFacts } from './own-facts.ts';
import { getLedger, statusOfRow } from './records.ts';
import { refreshMessage } from './refresh-message.ts';

const { failed } = recipientStatuses;

/**
 * Pending recipients of a message that cannot be sent end as failed. An open call keeps its recipients: its answer is
 * still to come.
 */
export async function concludeMessage(
  platform: Platform,
  tenant: TenantHandle,
  messageId: string,
  why: { reason: string; detail?: string },
): Promise<{ status: MessageStatus }> {
  return platform.app.inTenant(tenant.id, async (em) => {
    const { recipients } = await getLedger(em, tenant.id, messageId, true);
    const ended = recipients.filter((row) => statusOfRow(row) === 'pending' && !row.answer_by);
    await query(
      em,
      `UPDATE recipients SET state = '${failed.letter}', reason = $3 WHERE tenant_id = $1 AND id = ANY ($2)`,
      [tenant.id, ended.map(({ id }) => id), why.reason],
    );
    await recordOwnFacts(
      em,
      tenant.id,
      messageId,
      null,
      platform.now(),
      ended.map(({ id, attempt }) => ({
        type: 'failed',
        recipientId: id,
        attempt,
        reason: why.reason,
      })),
    );
    const { status } = await refreshMessage(em, tenant.id, messageId, {
      open: null,
      reason: why.reason,
      settledBy: 'outcome',
    });
    return { status: status as MessageStatus };
  });
}

/** Nothing clarified the unknown recipients in time: they stay unknown, visibly, until an event or a person says more. */
export async function concludeUnknown(
  platform: Platform,
  tenant: TenantHandle,
  messageId: string,
): Promise<{ status: MessageStatus; statuses: RecipientStatus[] }> {
  const result = await platform.app.inTenant(tenant.id, async (em) => {
    const { recipients } = await getLedger(em, tenant.id, messageId, true);
    await query(
      em,
      `UPDATE recipients SET awaiting = false WHERE tenant_id = $1 AND message_id = $2 AND state = $3::"char"`,
      [tenant.id, messageId, recipientStatuses.unknown.letter],
    );
    // Only the recipients decide from here on: "reconciling" is over.
    await query(em, `UPDATE messages SET status = 'unknown' WHERE tenant_id = $1 AND id = $2`, [
      tenant.id,
      messageId,
    ]);
    const { status } = await refreshMessage(em, tenant.id, messageId, {
      open: null,
      settledBy: 'window',
    });
    return { status: status as MessageStatus, statuses: recipients.map(statusOfRow) };
  });
  if (result.statuses.includes('unknown'))
    await raiseAlarm(platform, tenant, 'unknown_outcome', { messageId });
  return result;
}

/** The tracking window is over: what is only sent counts as settled, and nobody is told of later events. */
export async function endTracking(
  platform: Platform,
  tenant: TenantHandle,
  messageId: string,
): Promise<void> {
  await platform.app.inTenant(tenant.id, async (em) => {
    await getLedger(em, tenant.id, messageId, true);
    await query(
      em,
      'UPDATE recipients SET awaiting = false WHERE tenant_id = $1 AND message_id = $2',
      [tenant.id, messageId],
    );
    await refreshMessage(em, tenant.id, messageId, { open: null, settledBy: 'window' });
  });
}
