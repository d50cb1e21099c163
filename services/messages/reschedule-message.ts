import { invalid, PlatformError } from '../../domain/platform-error.ts';
import { query } from '../../runtime/database.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { getMessageLedger } from './find-message.ts';
import { viewMessage, type MessageView } from './message-view.ts';
import { listAccountNames } from './read-messages.ts';

export interface RescheduleInput {
  /** Null sends it now. */
  scheduledAt?: Date | null | undefined;
  /** Null never expires. */
  expiresAt?: Date | null | undefined;
}

/**
 * Moves a scheduled message, to any time ahead, until its run begins. A new `expiresAt` is taken as long as nothing is
 * claimed.
 * @throws state_conflict once the message has begun
 */
export async function rescheduleMessage(
  ctx: ServiceContext,
  id: string,
  input: RescheduleInput,
): Promise<MessageView> {
  return ctx.write(async (em) => {
    const { message } = await getMessageLedger(em, ctx, id, true);
    const scheduledAt = input.scheduledAt === undefined ? message.scheduled_at : input.scheduledAt;
    const expiresAt = input.expiresAt === undefined ? message.expires_at : input.expiresAt;
    if (expiresAt && expiresAt <= (scheduledAt ?? ctx.now()))
      throw invalid(
        '/expiresAt',
        'before_scheduled',
        'expiresAt is before the message would be sent; nothing would be.',
      );
    const [start] = await query<{ run_no: number }>(
      em,
      `SELECT run_no FROM workflow_starts WHERE tenant_id = $1 AND kind = 'message' AND subject_id = $2 FOR UPDATE`,
      [ctx.tenant.id, message.id],
    );
    if (message.status !== 'scheduled' || !start)
      throw new PlatformError(
        'state_conflict',
        `The message is ${message.status}; only a scheduled one can be moved.`,
      );
    const due = scheduledAt ?? ctx.now();
    const retryForMs =
      message.retry_until.getTime() - (message.scheduled_at ?? message.created_at).getTime();
    await query(
      em,
      `UPDATE messages SET scheduled_at = $3, expires_at = $4, retry_until = $5, check_at = $6
        WHERE tenant_id = $1 AND id = $2`,
      [
        ctx.tenant.id,
        message.id,
        scheduledAt,
        expiresAt,
        new Date(due.getTime() + retryForMs),
        due,
      ],
    );
    await query(
      em,
      `UPDATE workflow_starts SET start_at = $3 WHERE tenant_id = $1 AND kind = 'message' AND subject_id = $2`,
      [ctx.tenant.id, message.id, due],
    );
    audit(em, ctx, 'message.reschedule', id, { scheduledAt, expiresAt });
    return viewMessage(ctx, await getMessageLedger(em, ctx, id), await listAccountNames(em));
  });
}
