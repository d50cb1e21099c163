import { WorkflowNotFoundError } from '@temporalio/client';
import { toPublicId } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { sendMessageId } from '../../workflows/contracts.ts';
import type { Platform } from '../platform.ts';

interface CheckedMessage {
  tenant_id: string;
  id: string;
  run_no: number;
}

const PAGE = 100;
const NEXT_CHECK = "interval '5 minutes'";

/**
 * Compares messages whose check is due with Temporal. One whose run is gone gets a start row again: a failed,
 * terminated or vanished run under its id, a completed one under the next.
 * @returns how many runs had to be started again
 */
export async function checkRuns(platform: Platform): Promise<number> {
  // Moving check_at on first keeps a message that cannot be compared from blocking the rest.
  const due = await platform.relay.transaction((em) =>
    query<CheckedMessage>(
      em,
      `UPDATE messages SET check_at = now() + ${NEXT_CHECK}
        WHERE (tenant_id, id) IN (
          SELECT m.tenant_id, m.id FROM messages m
           WHERE m.check_at <= now()
             AND NOT EXISTS (SELECT 1 FROM workflow_starts s
               WHERE s.tenant_id = m.tenant_id AND s.kind = 'message' AND s.subject_id = m.id)
           ORDER BY m.check_at LIMIT ${PAGE} FOR UPDATE SKIP LOCKED)
        RETURNING tenant_id, id, run_no`,
    ),
  );
  let restarted = 0;
  for (const message of due) {
    const state = await describeRun(platform, message);
    if (state === 'running') continue;
    restarted += 1;
    platform.log.warn(
      { messageId: toPublicId('message', message.id), state },
      'an unfinished message has no run; it is started again',
    );
    await askForStart(
      platform,
      message,
      state === 'completed' ? message.run_no + 1 : message.run_no,
    );
  }
  return restarted;
}

async function describeRun(
  platform: Platform,
  message: CheckedMessage,
): Promise<'running' | 'completed' | 'gone'> {
  const tenant = await platform.getTenant(message.tenant_id);
  const id = sendMessageId(tenant.key, toPublicId('message', message.id), message.run_no);
  try {
    const { status } = await platform.temporal.workflow.getHandle(id).describe();
    if (status.name === 'RUNNING') return 'running';
    return status.name === 'COMPLETED' ? 'completed' : 'gone';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'gone';
    throw error;
  }
}

async function askForStart(
  platform: Platform,
  message: CheckedMessage,
  runNo: number,
): Promise<void> {
  await platform.relay.transaction((em) =>
    query(
      em,
      `WITH run AS (
         UPDATE messages SET run_no = $3 WHERE tenant_id = $1 AND id = $2 AND check_at IS NOT NULL RETURNING id)
       INSERT INTO workflow_starts (tenant_id, kind, subject_id, run_no, start_at)
       SELECT $1, 'message', id, $3, now() FROM run ON CONFLICT DO NOTHING`,
      [message.tenant_id, message.id, runNo],
    ),
  );
}
