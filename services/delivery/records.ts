import type { EntityManager } from '@mikro-orm/postgresql';
import type { Address } from '../../domain/address.ts';
import type { SettledBy } from '../../domain/message-status.ts';
import type { ErrorClass } from '../../domain/outcome.ts';
import {
  recipientStatusOf,
  type AttemptFacts,
  type RecipientStatus,
} from '../../domain/recipient-status.ts';
import { notFound } from '../../domain/platform-error.ts';
import { query } from '../../runtime/database.ts';
import type { TenantHandle } from '../platform.ts';

/** `messages` as its columns are. */
export interface MessageRow {
  tenant_id: string;
  id: string;
  mode: 'live' | 'test';
  stream: 'transactional' | 'marketing';
  status: string;
  reason: string | null;
  recipient_count: number;
  envelope_enc: Buffer;
  template_id: string | null;
  template_key: string | null;
  template_version: number | null;
  tags: string[];
  metadata: Record<string, string>;
  topic: string | null;
  wait_for: 'delivery' | 'acceptance';
  wait_note: string | null;
  tracking_opens: boolean;
  tracking_clicks: boolean;
  routing: { account?: string; exclude?: string[] };
  created_at: Date;
  scheduled_at: Date | null;
  expires_at: Date | null;
  retry_until: Date;
  run_no: number;
  started_at: Date | null;
  check_at: Date | null;
  sent_at: Date | null;
  settled_at: Date | null;
  settled_by: SettledBy | null;
  cancelled_at: Date | null;
  cancelled_by: string | null;
  held_reason: string | null;
  held_until: Date | null;
  reconcile_until: Date | null;
  provider: string | null;
  account_id: string | null;
  duplicate_detected: boolean;
  traceparent: string | null;
  request_id: string | null;
}

export interface FactColumns {
  sent_at: Date | null;
  deferred_at: Date | null;
  delivered_at: Date | null;
  bounced_at: Date | null;
  rejected_at: Date | null;
  opened_at: Date | null;
  machine_opened_at: Date | null;
  clicked_at: Date | null;
  complained_at: Date | null;
  unsubscribed_at: Date | null;
  bounce_kind: 'hard' | 'soft' | null;
  bounce_reason: string | null;
}

/** `recipients` as its columns are. */
export interface RecipientRow extends FactColumns {
  id: string;
  message_id: string;
  kind: 't' | 'c' | 'b';
  address_enc: Buffer;
  address_hash: Buffer;
  state: string;
  reason: string | null;
  attempt: number;
  call_id: string | null;
  answer_by: Date | null;
  awaiting: boolean;
}

export type CallState = 'claimed' | 'unknown' | 'refused' | 'accepted';

/** `provider_calls` as its columns are. */
export interface CallRow {
  id: string;
  message_id: string;
  attempt: number;
  account_id: string;
  provider: string;
  recipient_count: number;
  state: CallState;
  class: ErrorClass | null;
  code: string | null;
  words: string | null;
  provider_message_id: string | null;
  decision: CallDecision;
  claimed_at: Date;
  call_by: Date;
  answer_by: Date;
  done_at: Date | null;
  reconciled_at: Date | null;
  reconciled_by: string | null;
  repeats: number;
  held_until: Date | null;
  price_micros: string | null;
  price_currency: string | null;
}

/** Why this account, and what was rendered: stored with the call that it led to. */
export interface CallDecision {
  candidates: {
    account: string;
    name: string;
    provider: string;
    excluded?: string;
    detail?: string;
  }[];
  chosen: string;
  honoursCallId: boolean;
  deliveryEvents: 'full' | 'partial' | 'none';
  renderedAt: string;
  renderMs: number;
  sizeBytes: number;
}

export interface Ledger {
  message: MessageRow;
  recipients: RecipientRow[];
  calls: CallRow[];
}

/**
 * One message with its recipients and calls. `lock` takes the message's row first and then its recipients by id: the
 * order in which everybody locks.
 */
export async function getLedger(
  em: EntityManager,
  tenantId: string,
  messageId: string,
  lock = false,
): Promise<Ledger> {
  const suffix = lock ? 'FOR NO KEY UPDATE' : '';
  const key = [tenantId, messageId];
  const [message] = await query<MessageRow>(
    em,
    `SELECT * FROM messages WHERE tenant_id = $1 AND id = $2 ${suffix}`,
    key,
  );
  if (!message) throw notFound('message');
  const recipients = await query<RecipientRow>(
    em,
    `SELECT * FROM recipients WHERE tenant_id = $1 AND message_id = $2 ORDER BY id ${suffix}`,
    key,
  );
  const calls = await query<CallRow>(
    em,
    'SELECT * FROM provider_calls WHERE tenant_id = $1 AND message_id = $2 ORDER BY attempt',
    key,
  );
  return { message, recipients, calls };
}

export function openAddress(tenant: TenantHandle, row: Pick<RecipientRow, 'address_enc'>): Address {
  return tenant.vault.openJson<Address>('address', row.address_enc);
}

export function statusOfRow(row: Pick<RecipientRow, 'state'>): RecipientStatus {
  return recipientStatusOf(row.state);
}

/** The columns as the rules know them. */
export function factsOfRow(row: FactColumns, outcome: AttemptFacts['outcome']): AttemptFacts {
  const firstAt: AttemptFacts['firstAt'] = {};
  for (const [kind, column] of Object.entries(factColumns)) {
    const at = row[column];
    if (at) firstAt[kind as keyof typeof factColumns] = at;
  }
  return { outcome, firstAt, ...(row.bounce_kind && { bounceKind: row.bounce_kind }) };
}

/** Where each fact's first time is kept, in `recipients` and `attempts` alike. */
export const factColumns = {
  sent: 'sent_at',
  deferred: 'deferred_at',
  delivered: 'delivered_at',
  bounced: 'bounced_at',
  rejected: 'rejected_at',
  opened: 'opened_at',
  machineOpened: 'machine_opened_at',
  clicked: 'clicked_at',
  complained: 'complained_at',
  unsubscribed: 'unsubscribed_at',
} as const;
