import { toPublicId, toUuid } from '../../domain/ids.ts';
import type { EventType } from '../../domain/delivery-event.ts';
import { query } from '../../runtime/database.ts';
import type { ServiceContext } from '../context.ts';
import type { EventDetails } from './event-store.ts';
import { decodeCursor, pageOf, timeToUuid, type Page, type PageRequest } from '../paging.ts';
import { listAccountNames } from '../messages/read-messages.ts';

export interface EventFilter extends PageRequest {
  messageId?: string | undefined;
  type?: EventType | undefined;
  /** With what the provider posted. */
  raw?: boolean | undefined;
}

export interface EventView {
  id: string;
  type: string;
  at: string;
  receivedAt: string;
  messageId: string | null;
  recipient: string | null;
  attempt: number | null;
  provider: string | null;
  account: string | null;
  bounceKind: string | null;
  reason: string | null;
  description: string | null;
  machine: boolean | null;
  url: string | null;
  userAgent: string | null;
  ip: string | null;
  raw?: unknown;
}

interface Row {
  id: string;
  type: string;
  at: Date;
  received_at: Date;
  message_id: string | null;
  attempt: number | null;
  provider: string | null;
  account_id: string;
  bounce_kind: string | null;
  reason: string | null;
  machine: boolean | null;
  details_enc: Buffer;
  raw_enc: Buffer;
}

/** What providers and readers did, newest received first. Times filter on when the platform received them. */
export async function listEvents(
  ctx: ServiceContext,
  filter: EventFilter,
): Promise<Page<EventView>> {
  return ctx.read(async (em) => {
    const values: unknown[] = [ctx.tenant.id, ctx.mode];
    const conditions = [
      'e.tenant_id = $1',
      'e.raw_enc IS NOT NULL',
      '(m.mode = $2 OR (m.id IS NULL AND a.mode = $2))',
    ];
    const where = (condition: string, value: unknown) => {
      values.push(value);
      conditions.push(condition.replaceAll('$?', `$${values.length}`));
    };
    if (filter.messageId !== undefined)
      where('e.message_id = $?', toUuid('message', filter.messageId));
    if (filter.type !== undefined) where('e.type = $?', filter.type);
    if (filter.since !== undefined) where('e.id >= $?', timeToUuid(filter.since));
    if (filter.until !== undefined) where('e.id < $?', timeToUuid(filter.until));
    if (filter.cursor !== undefined) where('e.id < $?', decodeCursor(filter.cursor));
    const rows = await query<Row>(
      em,
      `SELECT e.* FROM events e
         LEFT JOIN messages m ON m.tenant_id = e.tenant_id AND m.id = e.message_id
         LEFT JOIN provider_accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
        WHERE ${conditions.join(' AND ')} ORDER BY e.id DESC LIMIT ${filter.limit + 1}`,
      values,
    );
    const names = await listAccountNames(em);
    return pageOf(
      rows.map((row) => ({
        cursor: row.id,
        view: viewEvent(ctx, row, names, filter.raw ?? false),
      })),
      filter.limit,
    );
  });
}

function viewEvent(
  ctx: ServiceContext,
  row: Row,
  names: Map<string, string>,
  withRaw: boolean,
): EventView {
  const details = ctx.tenant.vault.openJson<EventDetails>('event_details', row.details_enc);
  return {
    id: toPublicId('event', row.id),
    type: row.type,
    at: row.at.toISOString(),
    receivedAt: row.received_at.toISOString(),
    messageId: row.message_id === null ? null : toPublicId('message', row.message_id),
    recipient: details.email ?? null,
    attempt: row.attempt,
    provider: row.provider,
    account: names.get(row.account_id) ?? null,
    bounceKind: row.bounce_kind,
    reason: row.reason,
    description: details.description ?? null,
    machine: row.machine,
    url: details.url ?? null,
    userAgent: details.userAgent ?? null,
    ip: details.ip ?? null,
    ...(withRaw && { raw: ctx.tenant.vault.openJson('event_raw', row.raw_enc) }),
  };
}
