import { activityInfo, heartbeat } from '@temporalio/activity';
import { toUuid } from '../domain/ids.ts';
import type { WorkerSettings } from '../runtime/settings.ts';
import { deliver as deliverAttempt, type DeliverResult } from '../services/delivery/deliver.ts';
import type { Platform } from '../services/platform.ts';
import { translateErrors } from './to-application-failure.ts';

export interface DeliverActivityInput {
  tenantId: string;
  messageId: string;
  attempt: number;
  step: 'first' | 'repeat';
  spread: number;
}

/** Well within the activity's heartbeat time-out: a dead worker is noticed, a busy one is left alone. */
const HEARTBEAT_EVERY_MS = 4_000;

export function createDeliverActivity(platform: Platform, settings: WorkerSettings) {
  const timing = {
    providerTimeoutMs: settings.PROVIDER_TIMEOUT_MS,
    callWithinMs: settings.CALL_WITHIN_MS,
    answerGraceMs: settings.ANSWER_GRACE_MS,
  };
  return {
    /** One attempt with one account, at most one provider call. */
    deliver: (input: DeliverActivityInput): Promise<DeliverResult> =>
      translateErrors(async () => {
        const { startToCloseTimeoutMs } = activityInfo();
        const deadlineMs = performance.now() + startToCloseTimeoutMs;
        const beat = setInterval(() => heartbeat(), HEARTBEAT_EVERY_MS);
        try {
          const tenant = await platform.getTenant(input.tenantId);
          const attempt = { ...input, messageId: toUuid('message', input.messageId) };
          return await deliverAttempt(platform, tenant, attempt, { deadlineMs, timing });
        } finally {
          clearInterval(beat);
        }
      }),
  };
}
