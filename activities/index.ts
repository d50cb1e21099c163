import type { Platform } from '../services/platform.ts';
import type { WorkerSettings } from '../runtime/settings.ts';
import { createDeliverActivity } from './deliver.ts';
import { createLedgerActivities } from './ledger.ts';

/** Every activity of the worker. A workflow knows their types without running them. */
export function createActivities(platform: Platform, settings: WorkerSettings) {
  return { ...createDeliverActivity(platform, settings), ...createLedgerActivities(platform) };
}

export type Activities = ReturnType<typeof createActivities>;
