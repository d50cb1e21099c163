import { toUuid } from '../domain/ids.ts';
import type { MessageStatus } from '../domain/message-status.ts';
import * as conclude from '../services/delivery/conclude-message.ts';
import { reportFromLedger, type DeliverResult } from '../services/delivery/deliver.ts';
import {
  recordOutcome as recordCallOutcome,
  type CallOutcome,
} from '../services/delivery/record-outcome.ts';
import type { Platform } from '../services/platform.ts';
import { translateErrors } from './to-application-failure.ts';

interface MessageInput {
  tenantId: string;
  messageId: string;
}

/** What a run writes about its message beside the attempts. */
export function createLedgerActivities(platform: Platform) {
  const find = async ({ tenantId, messageId }: MessageInput) => ({
    tenant: await platform.getTenant(tenantId),
    id: toUuid('message', messageId),
  });
  return {
    /** An outcome that `deliver` could not store; tried until it is. */
    recordOutcome: (
      input: MessageInput & { attempt: number; outcome: CallOutcome },
    ): Promise<Extract<DeliverResult, { kind: 'attempted' }>> =>
      translateErrors(async () => {
        const { tenant, id } = await find(input);
        await recordCallOutcome(platform, tenant, input.outcome);
        return reportFromLedger(platform, tenant, { messageId: id, attempt: input.attempt });
      }),

    /** Nothing more is tried: what is pending fails for this reason. */
    concludeMessage: (
      input: MessageInput & { reason: string },
    ): Promise<{ status: MessageStatus }> =>
      translateErrors(async () => {
        const { tenant, id } = await find(input);
        return conclude.concludeMessage(platform, tenant, id, { reason: input.reason });
      }),

    /** Nothing clarified it in time: it stays unknown, and somebody is told. */
    concludeUnknown: (input: MessageInput): Promise<{ status: MessageStatus }> =>
      translateErrors(async () => {
        const { tenant, id } = await find(input);
        const { status } = await conclude.concludeUnknown(platform, tenant, id);
        return { status };
      }),

    /** The tracking window is over. */
    endTracking: (input: MessageInput): Promise<void> =>
      translateErrors(async () => {
        const { tenant, id } = await find(input);
        await conclude.endTracking(platform, tenant, id);
      }),
  };
}
