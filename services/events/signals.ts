import type { EntityManager } from '@mikro-orm/postgresql';
import { WorkflowNotFoundError } from '@temporalio/client';
import { toPublicId } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { sendMessageId, signalNames, type DeliveryEventSignal } from '../../workflows/contracts.ts';
import type { Platform } from '../platform.ts';

/** Leaves a signal for the message's run in the transaction that changed its row. */
export async function signalDeliveryEvent(
  em: EntityManager,
  tenantId: string,
  messageId: string,
  event: { recipientId: string; kind: string },
): Promise<void> {
  const payload: DeliveryEventSignal = {
    recipientId: toPublicId('recipient', event.recipientId),
    kind: event.kind,
  };
  await leaveSignal(em, tenantId, messageId, signalNames.deliveryEvent, payload);
}

export async function signalCancel(
  em: EntityManager,
  tenantId: string,
  messageId: string,
): Promise<void> {
  await leaveSignal(em, tenantId, messageId, signalNames.cancel, {});
}

async function leaveSignal(
  em: EntityManager,
  tenantId: string,
  messageId: string,
  signal: string,
  payload: object,
) {
  await query(
    em,
    'INSERT INTO signals_out (tenant_id, id, message_id, signal, payload) VALUES ($1, $2, $3, $4, $5)',
    [tenantId, newUuid(), messageId, signal, JSON.stringify(payload)],
  );
}

interface SignalRow {
  tenant_id: string;
  id: string;
  message_id: string;
  signal: string;
  payload: object;
  run_no: number;
}

const PAGE = 100;
const RETRY_AFTER = "interval '10 seconds'";

/**
 * Sends what is due and forgets it. A run that is gone needs no signal: whoever starts again reads the ledger. A
 * signal may arrive twice; the run keeps a set.
 * @returns how many were sent
 */
export async function sendSignals(platform: Platform): Promise<number> {
  const due = await platform.relay.transaction((em) =>
    query<SignalRow>(
      em,
      `WITH due AS (
         SELECT tenant_id, id FROM signals_out WHERE retry_at <= now() ORDER BY id LIMIT ${PAGE} FOR UPDATE SKIP LOCKED)
       UPDATE signals_out s SET retry_at = now() + ${RETRY_AFTER} FROM due, messages m
        WHERE s.tenant_id = due.tenant_id AND s.id = due.id AND m.tenant_id = s.tenant_id AND m.id = s.message_id
       RETURNING s.tenant_id, s.id, s.message_id, s.signal, s.payload, m.run_no`,
    ),
  );
  const results = await Promise.allSettled(due.map((row) => sendSignal(platform, row)));
  const sent = due.filter((_, index) => results[index]?.status === 'fulfilled');
  if (sent.length > 0)
    await platform.relay.transaction((em) =>
      query(
        em,
        'DELETE FROM signals_out WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))',
        [sent.map((row) => row.tenant_id), sent.map((row) => row.id)],
      ),
    );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return sent.length;
}

async function sendSignal(platform: Platform, row: SignalRow): Promise<void> {
  const tenant = await platform.getTenant(row.tenant_id);
  const id = sendMessageId(tenant.key, toPublicId('message', row.message_id), row.run_no);
  try {
    await platform.temporal.workflow.getHandle(id).signal(row.signal, row.payload);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
