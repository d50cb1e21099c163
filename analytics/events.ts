import type { Clickhouse } from './clickhouse.ts';

/** One row of ClickHouse's `events`: no address, no content. */
export interface EventRow {
  tenant_id: string;
  event_id: string;
  type: string;
  at: Date;
  received_at: Date;
  message_id: string;
  recipient_id: string;
  domain: string;
  attempt: number;
  call_id: string | null;
  source: string;
  provider: string;
  account_id: string;
  bounce_kind: string;
  reason: string;
  machine: boolean;
  mode: string;
  stream: string;
  template: string;
  template_version: number;
  tags: string[];
  /** Grows with every change of the same event; the newest stands. */
  version: string;
}

// What DateTime64(3) holds; a provider's absurd time must not stop a batch.
const FIRST_MS = Date.UTC(1970, 0, 1);
const LAST_MS = Date.UTC(2299, 11, 31);

const toClickhouseTime = (at: Date) =>
  new Date(Math.min(Math.max(at.getTime(), FIRST_MS), LAST_MS))
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '');

/**
 * Inserts one frozen batch. The same batch again changes nothing: its rows replace themselves, and within the
 * server's window the token saves even that work.
 */
export async function insertEvents(
  clickhouse: Clickhouse,
  rows: EventRow[],
  token: string,
): Promise<void> {
  await clickhouse.insert({
    table: 'events',
    format: 'JSONEachRow',
    values: rows.map((row) => ({
      ...row,
      at: toClickhouseTime(row.at),
      received_at: toClickhouseTime(row.received_at),
    })),
    clickhouse_settings: { insert_deduplication_token: token },
  });
}
