import { query } from '../../runtime/database.ts';
import type { Platform } from '../platform.ts';

const REFRESH_MS = 5_000;
const counts = new WeakMap<Platform, { at: number; open: number }>();

/** Whether so many runs wait for events that new ones should end at acceptance. Counted every few seconds. */
export async function tooManyOpenRuns(platform: Platform): Promise<boolean> {
  const known = counts.get(platform);
  if (known && Date.now() - known.at < REFRESH_MS)
    return known.open >= platform.settings.OPEN_RUNS_MAX;
  // The old figure serves while the new one is counted.
  counts.set(platform, { at: Date.now(), open: known?.open ?? 0 });
  const [row] = await platform.relay.transaction((em) =>
    query<{ open: number }>(
      em,
      'SELECT count(*)::int AS open FROM messages WHERE check_at IS NOT NULL',
    ),
  );
  counts.set(platform, { at: Date.now(), open: row?.open ?? 0 });
  return (row?.open ?? 0) >= platform.settings.OPEN_RUNS_MAX;
}
