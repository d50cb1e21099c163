import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { addressKey } from '../../domain/address.ts';
import type { EventType } from '../../domain/delivery-event.ts';
import type { ProviderEvent } from '../../providers/provider.ts';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import type { TenantHandle } from '../platform.ts';

/** An event as the rules need it: what happened to whom, nothing readable. */
export interface KnownEvent {
  id: string;
  type: EventType;
  at: Date;
  addressHash: Buffer | null;
  callId: string | null;
  providerMessageId: string | null;
  bounceKind: 'hard' | 'soft' | null;
  reason: string | null;
  machine: boolean | null;
}

/** What an event belongs to, once it is known. */
export interface EventMatch {
  messageId: string;
  recipientId: string;
  attempt: number;
  callId: string;
}

/** Sealed in `events.details_enc`. */
export interface EventDetails {
  email?: string | undefined;
  description?: string | undefined;
  url?: string | undefined;
  userAgent?: string | undefined;
  ip?: string | undefined;
}

/** The partition for times that no provider can mean; real days are made ahead. */
const ABSURD_DAY = '1970-01-01';
const MAX_AHEAD_MS = 2 * 86_400_000;

/** The day of the provider's own time, so that the same event posted later meets itself. */
export function dayOf(at: Date, now: Date): string {
  const isAbsurd =
    Number.isNaN(at.getTime()) || at.getTime() - now.getTime() > MAX_AHEAD_MS || at.getTime() < 0;
  return isAbsurd ? ABSURD_DAY : at.toISOString().slice(0, 10);
}

/** The key of an event within its account and day: the provider's id of it, and whom it is about. */
export function eventKey(event: Pick<ProviderEvent, 'dedupeKey' | 'email'>): Buffer {
  return createHash('sha256')
    .update(`${event.dedupeKey}\n${event.email === undefined ? '' : addressKey(event.email)}`)
    .digest()
    .subarray(0, 16);
}

/**
 * Stores events and returns those that are new, in the order given. One that matches no call yet is stored without a
 * recipient and waits for its outcome.
 */
export async function storeEvents(
  em: EntityManager,
  tenant: TenantHandle,
  account: { id: string; provider: string },
  events: { event: ProviderEvent; match: EventMatch | undefined; receivedAt: Date }[],
  now: Date,
): Promise<Set<ProviderEvent>> {
  const rows = events.map(({ event, match, receivedAt }) => {
    const at = Number.isNaN(event.at.getTime()) ? receivedAt : event.at;
    const details: EventDetails = {
      email: event.email,
      description: event.description,
      url: event.url,
      userAgent: event.userAgent,
      ip: event.ip,
    };
    return {
      id: newUuid(),
      event,
      match,
      at,
      receivedAt,
      day: dayOf(event.at, now),
      key: eventKey(event),
      details,
    };
  });
  const inserted = await query<{ id: string }>(
    em,
    `INSERT INTO events (tenant_id, day, account_id, key, id, type, at, received_at, message_id, recipient_id, attempt,
       call_id, provider, provider_message_id, address_hash, bounce_kind, reason, machine, details_enc, raw_enc)
     SELECT $1, e.day::date, $2, e.key, e.id, e.type, e.at, e.received_at, e.message_id, e.recipient_id, e.attempt,
       e.call_id, $3, e.provider_message_id, e.address_hash, e.bounce_kind, e.reason, e.machine, e.details, e.raw
     FROM unnest($4::text[], $5::bytea[], $6::uuid[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::uuid[],
       $11::uuid[], $12::int2[], $13::uuid[], $14::text[], $15::bytea[], $16::text[], $17::text[], $18::boolean[],
       $19::bytea[], $20::bytea[])
       AS e (day, key, id, type, at, received_at, message_id, recipient_id, attempt, call_id, provider_message_id,
         address_hash, bounce_kind, reason, machine, details, raw)
     ON CONFLICT DO NOTHING
     RETURNING id`,
    [
      tenant.id,
      account.id,
      account.provider,
      rows.map(({ day }) => day),
      rows.map(({ key }) => key),
      rows.map(({ id }) => id),
      rows.map(({ event }) => event.type),
      rows.map(({ at }) => at),
      rows.map(({ receivedAt }) => receivedAt),
      rows.map(({ match }) => match?.messageId ?? null),
      rows.map(({ match }) => match?.recipientId ?? null),
      rows.map(({ match }) => match?.attempt ?? null),
      rows.map(({ match }) => match?.callId ?? null),
      rows.map(({ event }) => event.providerMessageId ?? null),
      rows.map(({ event }) =>
        event.email === undefined ? null : tenant.vault.hashAddress(addressKey(event.email)),
      ),
      rows.map(({ event }) => event.bounceKind ?? null),
      rows.map(({ event }) => event.reason ?? null),
      rows.map(({ event }) => event.machine ?? null),
      rows.map(({ details }) => tenant.vault.sealJson('event_details', details)),
      rows.map(({ event }) => tenant.vault.sealJson('event_raw', event.raw)),
    ],
  );
  const isNew = new Set(inserted.map(({ id }) => id));
  return new Set(rows.filter(({ id }) => isNew.has(id)).map(({ event }) => event));
}
