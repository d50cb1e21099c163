import { query } from '../../runtime/database.ts';
import type { Platform } from '../platform.ts';
import { startMessageRun } from './start-runs.ts';

const AT_ONCE = 20;
const PAGE = 200;

/**
 * Starts every run whose row is due: scheduled messages, and what its own process did not get to start.
 * @returns how many were started
 */
export async function sweepStarts(platform: Platform): Promise<number> {
  const due = await platform.relay.transaction((em) =>
    query<{ tenant_id: string; subject_id: string }>(
      em,
      `SELECT tenant_id, subject_id FROM workflow_starts WHERE start_at <= now() ORDER BY start_at LIMIT ${PAGE}`,
    ),
  );
  let started = 0;
  for (let from = 0; from < due.length; from += AT_ONCE) {
    const results = await Promise.allSettled(
      due
        .slice(from, from + AT_ONCE)
        .map((row) => startMessageRun(platform, row.tenant_id, row.subject_id)),
    );
    const failed = results.find((result) => result.status === 'rejected');
    started += results.filter((result) => result.status === 'fulfilled').length;
    if (failed) throw failed.reason; // Temporal or PostgreSQL is away: the next sweep tries again
  }
  return started;
}
