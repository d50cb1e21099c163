import type { EntityManager } from '@mikro-orm/postgresql';
import { query } from '../../runtime/database.ts';

/** What we did ourselves about a recipient, as it is told to ClickHouse. */
export const ownFacts = {
  accepted: 'a',
  attempt_accepted: 'A',
  attempt_refused: 'R',
  attempt_unknown: 'U',
  suppressed: 'x',
  cancelled: 'c',
  failed: 'f',
} as const;
export type OwnFact = keyof typeof ownFacts;

export interface RecordedFact {
  type: OwnFact;
  recipientId: string;
  attempt?: number;
  callId?: string;
  reason?: string | undefined;
}

/** In the transaction that changes the state. The same fact of the same attempt is kept once. */
export async function recordOwnFacts(
  em: EntityManager,
  tenantId: string,
  messageId: string,
  provider: string | null,
  at: Date,
  facts: RecordedFact[],
): Promise<void> {
  if (facts.length === 0) return;
  await query(
    em,
    `INSERT INTO events (tenant_id, day, account_id, key, id, type, at, message_id, recipient_id, attempt, call_id,
       provider, reason, address_hash)
     SELECT $1, ($3::timestamptz AT TIME ZONE 'UTC')::date, '00000000-0000-0000-0000-000000000000',
       decode(replace(f.recipient_id::text, '-', ''), 'hex') || f.code::bytea || f.attempt::text::bytea,
       uuidv7(), f.type, $3, $2, f.recipient_id, nullif(f.attempt, 0), f.call_id, $4, f.reason, r.address_hash
     FROM unnest($5::uuid[], $6::text[], $7::text[], $8::int2[], $9::uuid[], $10::text[])
       AS f (recipient_id, type, code, attempt, call_id, reason)
     JOIN recipients r ON r.tenant_id = $1 AND r.id = f.recipient_id
     ON CONFLICT DO NOTHING`,
    [
      tenantId,
      messageId,
      at,
      provider,
      facts.map((fact) => fact.recipientId),
      facts.map((fact) => fact.type),
      facts.map((fact) => ownFacts[fact.type]),
      facts.map((fact) => fact.attempt ?? 0),
      facts.map((fact) => fact.callId ?? null),
      facts.map((fact) => fact.reason ?? null),
    ],
  );
}
