import type { EntityManager } from '@mikro-orm/postgresql';
import { addressKey } from '../../domain/address.ts';
import { findUuid } from '../../domain/ids.ts';
import type { ProviderEvent } from '../../providers/provider.ts';
import { query } from '../../runtime/database.ts';
import type { TenantHandle } from '../platform.ts';
import type { EventMatch } from './event-store.ts';

interface MatchableRow {
  call_id: string;
  provider_message_id: string | null;
  message_id: string;
  attempt: number;
  recipient_id: string;
  address_hash: Buffer;
}

/**
 * Whom events are about: by our call id where the provider gave it back, else by its own message id, and within the
 * call by address. Locks the messages and then their recipients, by id, for the changes that follow.
 */
export async function matchEvents(
  em: EntityManager,
  tenant: TenantHandle,
  accountId: string,
  events: ProviderEvent[],
): Promise<Map<ProviderEvent, EventMatch>> {
  const callOf = (event: ProviderEvent) =>
    event.callId === undefined ? undefined : findUuid('call', event.callId);
  const callIds = events.map(callOf).filter((id) => id !== undefined);
  const providerIds = events
    .map(({ providerMessageId }) => providerMessageId)
    .filter((id) => id !== undefined);
  const rows = await query<MatchableRow>(
    em,
    `WITH call AS (
       SELECT id, message_id, attempt, provider_message_id FROM provider_calls
        WHERE tenant_id = $1 AND account_id = $2 AND (id = ANY ($3) OR provider_message_id = ANY ($4))
     )
     SELECT c.id AS call_id, c.provider_message_id, c.message_id, c.attempt, r.id AS recipient_id, r.address_hash
       FROM call c JOIN recipients r ON r.tenant_id = $1 AND r.message_id = c.message_id
      WHERE r.call_id = c.id OR EXISTS (
        SELECT 1 FROM attempts a WHERE a.tenant_id = $1 AND a.recipient_id = r.id AND a.call_id = c.id)`,
    [tenant.id, accountId, callIds, providerIds],
  );
  const byCall = Map.groupBy(rows, (row) => row.call_id);
  const byProviderId = Map.groupBy(rows, (row) => row.provider_message_id);
  const matches = new Map<ProviderEvent, EventMatch>();
  for (const event of events) {
    const call = callOf(event);
    const candidates =
      (call === undefined ? undefined : byCall.get(call)) ??
      (event.providerMessageId === undefined
        ? undefined
        : byProviderId.get(event.providerMessageId)) ??
      [];
    const hash =
      event.email === undefined ? undefined : tenant.vault.hashAddress(addressKey(event.email));
    // An event that names nobody is certain only where the call had one recipient.
    const row = hash
      ? candidates.find((candidate) => candidate.address_hash.equals(hash))
      : only(candidates);
    if (row)
      matches.set(event, {
        messageId: row.message_id,
        recipientId: row.recipient_id,
        attempt: row.attempt,
        callId: row.call_id,
      });
  }
  return matches;
}

function only<T>(rows: T[]): T | undefined {
  return rows.length === 1 ? rows[0] : undefined;
}
