import type { CrashCase } from '../run.ts';
import { apiKilled } from './api-killed.ts';
import { temporalAwayLong, temporalAwayShortly } from './temporal-away.ts';
import { workerKilled } from './worker-killed.ts';
import { workerStopped } from './worker-stopped.ts';

export const cases = {
  F01: workerKilled,
  F02: apiKilled,
  F04: temporalAwayLong,
  F05: temporalAwayShortly,
  STOP: workerStopped,
} as const satisfies Record<string, CrashCase>;

export type CaseName = keyof typeof cases;
