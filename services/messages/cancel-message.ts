import { PlatformError } from '../../domain/platform-error.ts';
import { recipientStatuses } from '../../domain/recipient-status.ts';
import { messageStatuses, type MessageStatus } from '../../domain/message-status.ts';
import { query } from '../../runtime/database.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { statusOfRow } from '../delivery/records.ts';
import { recordOwnFacts } from '../delivery/own-facts.ts';
import { refreshMessage } from '../delivery/refresh-message.ts';
import { signalCancel } from '../events/signals.ts';
import { getMessageLedger } from './find-message.ts';
import type { MessageView } from './message-view.ts';
import { listAccountNames } from './read-messages.ts';
import { viewMessage } from './message-view.ts';

/**
 * Takes back what no provider has been asked to send yet: once this has answered, nothing more of it is claimed.
 * Recipients whose call is running or concluded stay as they are.
 * @throws state_conflict when nothing is left to cancel
 */
export async function cancelMessage(ctx: ServiceContext, id: string): Promise<MessageView> {
  return ctx.write(async (em) => {
    const { message, recipients } = await getMessageLedger(em, ctx, id, true);
    const waiting = recipients.filter((row) => statusOfRow(row) === 'pending' && !row.answer_by);
    if (waiting.length === 0) throw nothingToCancel(message.status as MessageStatus);
    await query(
      em,
      `UPDATE recipients SET state = '${recipientStatuses.cancelled.letter}' WHERE tenant_id = $1 AND id = ANY ($2)`,
      [ctx.tenant.id, waiting.map((row) => row.id)],
    );
    await query(
      em,
      'UPDATE messages SET cancelled_at = now(), cancelled_by = $3 WHERE tenant_id = $1 AND id = $2',
      [ctx.tenant.id, message.id, ctx.actor],
    );
    // Nothing is left to start; a run that exists finds out from the ledger, the signal only hurries it.
    await query(
      em,
      `DELETE FROM workflow_starts WHERE tenant_id = $1 AND kind = 'message' AND subject_id = $2`,
      [ctx.tenant.id, message.id],
    );
    await recordOwnFacts(
      em,
      ctx.tenant.id,
      message.id,
      null,
      ctx.now(),
      waiting.map((row) => ({ type: 'cancelled', recipientId: row.id, attempt: row.attempt })),
    );
    await refreshMessage(em, ctx.tenant.id, message.id, { open: null, settledBy: 'request' });
    await signalCancel(em, ctx.tenant.id, message.id);
    audit(em, ctx, 'message.cancel', id);
    return viewMessage(ctx, await getMessageLedger(em, ctx, id), await listAccountNames(em));
  });
}

function nothingToCancel(status: MessageStatus): PlatformError {
  return new PlatformError(
    'state_conflict',
    messageStatuses[status].isFinal
      ? `The message is ${status} already; there is nothing left to cancel.`
      : 'A provider is being asked to send this message right now. Look at its status in a few seconds.',
  );
}
