import type { Clickhouse } from '../analytics/clickhouse.ts';
import { query } from '../runtime/database.ts';
import type { WorkerSettings } from '../runtime/settings.ts';
import { applyInbox } from '../services/events/apply-inbox.ts';
import { runLane } from '../services/events/lanes.ts';
import { sendSignals } from '../services/events/signals.ts';
import type { Platform } from '../services/platform.ts';
import { checkRuns } from '../services/starts/check-runs.ts';
import { sweepStarts } from '../services/starts/sweep-starts.ts';
import type { BackgroundTask } from '../runtime/background.ts';

const LANES = [0];
const LANE_EVERY_MS = 1_000; // ClickHouse wants few large inserts
const PARTITIONS_EVERY_MS = 3_600_000;

/** What a worker does beside workflows and activities. Each may run in several workers at once. */
export function backgroundTasks(
  platform: Platform,
  clickhouse: Clickhouse,
  settings: WorkerSettings,
): BackgroundTask[] {
  return [
    { name: 'sweep starts', everyMs: settings.SWEEP_EVERY_MS, run: () => sweepStarts(platform) },
    { name: 'check runs', everyMs: settings.CHECK_RUNS_EVERY_MS, run: () => checkRuns(platform) },
    { name: 'apply inbox', everyMs: settings.RELAY_EVERY_MS, run: () => applyInbox(platform) },
    { name: 'send signals', everyMs: settings.RELAY_EVERY_MS, run: () => sendSignals(platform) },
    {
      name: 'ensure partitions',
      everyMs: PARTITIONS_EVERY_MS,
      run: () => ensurePartitions(platform),
    },
    ...LANES.map((lane) => ({
      name: `event lane ${lane}`,
      everyMs: LANE_EVERY_MS,
      run: () => runLane(platform, clickhouse, lane),
    })),
  ];
}

async function ensurePartitions(platform: Platform): Promise<number> {
  await platform.relay.transaction((em) => query(em, 'SELECT ensure_partitions()'));
  return 0;
}
