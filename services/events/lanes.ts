import { insertEvents, type EventRow } from '../../analytics/events.ts';
import type { Clickhouse } from '../../analytics/clickhouse.ts';
import { query } from '../../runtime/database.ts';
import type { Platform } from '../platform.ts';

const BATCH = 5_000;

/**
 * Moves events to ClickHouse, one batch: number what has committed, freeze the range, insert it, move the cursor. A
 * crash anywhere repeats the same batch; ClickHouse keeps one row per event (ReplacingMergeTree).
 * @returns how many rows were moved
 */
export async function runLane(
  platform: Platform,
  clickhouse: Clickhouse,
  lane: number,
): Promise<number> {
  const batch = await freezeBatch(platform, lane);
  if (!batch) return 0;
  const rows = await readBatch(platform, lane, batch);
  if (rows.length > 0)
    await insertEvents(clickhouse, rows, `lane-${lane}-${batch.from}-${batch.to}`);
  await platform.relay.transaction((em) =>
    query(
      em,
      'UPDATE event_lanes SET sent_seq = $2, frozen_to = NULL WHERE lane = $1 AND frozen_to = $2',
      [lane, batch.to],
    ),
  );
  return rows.length;
}

/** Events not yet in ClickHouse. */
export async function countLaneLag(platform: Platform): Promise<number> {
  const [row] = await platform.relay.transaction((em) =>
    query<{ lag: number }>(
      em,
      `SELECT (SELECT count(*) FROM events WHERE seq IS NULL AND message_id IS NOT NULL)::int
        + (SELECT coalesce(sum(last_seq - sent_seq), 0) FROM event_lanes)::int AS lag`,
    ),
  );
  return row?.lag ?? 0;
}

/** `from` is the last sequence number that is there already. */
async function freezeBatch(
  platform: Platform,
  lane: number,
): Promise<{ from: string; to: string } | undefined> {
  return platform.relay.transaction(async (em) => {
    // Whoever holds this row numbers: sequence numbers become visible in the order of their commits.
    const [state] = await query<{ last_seq: string; sent_seq: string; frozen_to: string | null }>(
      em,
      'SELECT * FROM event_lanes WHERE lane = $1 FOR UPDATE SKIP LOCKED',
      [lane],
    );
    if (!state) return undefined;
    if (state.frozen_to !== null) return { from: state.sent_seq, to: state.frozen_to };
    const [numbered] = await query<{ n: number }>(
      em,
      `WITH next AS (
         SELECT tenant_id, day, account_id, key, row_number() OVER (ORDER BY id) AS n FROM (
           SELECT tenant_id, day, account_id, key, id FROM events
            WHERE lane = $1 AND seq IS NULL AND message_id IS NOT NULL ORDER BY id LIMIT ${BATCH} FOR UPDATE) AS locked
       ), numbered AS (
         UPDATE events e SET seq = $2 + next.n FROM next
          WHERE e.tenant_id = next.tenant_id AND e.day = next.day AND e.account_id = next.account_id AND e.key = next.key
         RETURNING 1)
       SELECT count(*)::int AS n FROM numbered`,
      [lane, state.last_seq],
    );
    const last = BigInt(state.last_seq) + BigInt(numbered?.n ?? 0);
    if (last === BigInt(state.sent_seq)) return undefined;
    await query(em, 'UPDATE event_lanes SET last_seq = $2, frozen_to = $2 WHERE lane = $1', [
      lane,
      String(last),
    ]);
    return { from: state.sent_seq, to: String(last) };
  });
}

async function readBatch(
  platform: Platform,
  lane: number,
  batch: { from: string; to: string },
): Promise<EventRow[]> {
  const rows = await platform.relay.transaction((em) =>
    query<EventRow & { at: Date; received_at: Date }>(
      em,
      `SELECT e.tenant_id, e.id AS event_id, e.type, e.at, e.received_at, e.message_id, e.recipient_id, r.domain,
         coalesce(e.attempt, 0) AS attempt, e.call_id,
         CASE WHEN e.raw_enc IS NULL THEN 'platform' ELSE 'provider' END AS source,
         coalesce(e.provider, '') AS provider, e.account_id, coalesce(e.bounce_kind, '') AS bounce_kind,
         coalesce(e.reason, '') AS reason, coalesce(e.machine, false) AS machine, m.mode, m.stream,
         coalesce(m.template_key, '') AS template, coalesce(m.template_version, 0) AS template_version, m.tags,
         e.seq AS version
       FROM events e
       JOIN messages m ON m.tenant_id = e.tenant_id AND m.id = e.message_id
       JOIN recipients r ON r.tenant_id = e.tenant_id AND r.id = e.recipient_id
       WHERE e.lane = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq`,
      [lane, batch.from, batch.to],
    ),
  );
  return rows;
}
