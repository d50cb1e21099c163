import type { EntityManager } from '@mikro-orm/postgresql';
import { query } from '../../runtime/database.ts';
import type { AlarmKind } from '../alarm.ts';

/** Two attempts of one recipient that both turn out accepted: said aloud. */
export async function detectDuplicate(
  em: EntityManager,
  tenantId: string,
  messageId: string,
): Promise<AlarmKind[]> {
  const rows = await query(
    em,
    `UPDATE messages m SET duplicate_detected = true
      WHERE m.tenant_id = $1 AND m.id = $2 AND NOT m.duplicate_detected AND EXISTS (
        SELECT 1 FROM recipients r JOIN attempts a ON a.tenant_id = r.tenant_id AND a.recipient_id = r.id
         WHERE r.tenant_id = $1 AND r.message_id = $2 AND (
           (a.state = 'accepted' AND r.sent_at IS NOT NULL)
           OR (a.state = 'accepted' AND EXISTS (SELECT 1 FROM attempts b WHERE b.tenant_id = $1
                AND b.recipient_id = r.id AND b.n <> a.n AND b.state = 'accepted'))))
      RETURNING m.id`,
    [tenantId, messageId],
  );
  return rows.length > 0 ? ['duplicate_detected'] : [];
}
