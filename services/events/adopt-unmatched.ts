import type { EntityManager } from '@mikro-orm/postgresql';
import { query } from '../../runtime/database.ts';
import type { CallRow } from '../delivery/records.ts';
import { applyFacts, type MatchedEvent } from './apply-facts.ts';
import type { KnownEvent } from './event-store.ts';

interface AdoptedRow {
  id: string;
  type: KnownEvent['type'];
  at: Date;
  recipient_id: string;
  address_hash: Buffer;
  bounce_kind: KnownEvent['bounceKind'];
  reason: string | null;
  machine: boolean | null;
}

/** Events that came before their call was known by the provider's id, once that id is stored. */
export async function adoptUnmatchedEvents(
  em: EntityManager,
  tenantId: string,
  call: Pick<CallRow, 'id' | 'account_id' | 'message_id' | 'attempt' | 'provider_message_id'>,
): Promise<void> {
  const rows = await query<AdoptedRow>(
    em,
    `UPDATE events e SET message_id = $4, recipient_id = r.id, attempt = $5, call_id = $6
       FROM recipients r
      WHERE e.tenant_id = $1 AND e.account_id = $2 AND e.provider_message_id = $3 AND e.recipient_id IS NULL
        AND r.tenant_id = $1 AND r.message_id = $4 AND r.address_hash = e.address_hash
      RETURNING e.id, e.type, e.at, e.recipient_id, e.address_hash, e.bounce_kind, e.reason, e.machine`,
    [tenantId, call.account_id, call.provider_message_id, call.message_id, call.attempt, call.id],
  );
  const matched = rows.map((row): MatchedEvent => ({
    event: {
      id: row.id,
      type: row.type,
      at: row.at,
      addressHash: row.address_hash,
      callId: call.id,
      providerMessageId: call.provider_message_id,
      bounceKind: row.bounce_kind,
      reason: row.reason,
      machine: row.machine,
    },
    match: {
      messageId: call.message_id,
      recipientId: row.recipient_id,
      attempt: call.attempt,
      callId: call.id,
    },
  }));
  await applyFacts(em, tenantId, matched);
}
