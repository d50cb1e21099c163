import { addressKey } from '../../domain/address.ts';
import type { Outcome } from '../../domain/outcome.ts';
import { NotCalledError, type CallResult } from '../../providers/provider.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import type { Claim } from './claim.ts';
import type { DeliverInput, DeliverRun } from './deliver.ts';
import { outgoingMessage } from './outgoing-message.ts';
import type { PreparedAttempt } from './prepare-attempt.ts';
import type { CallOutcome } from './record-outcome.ts';
import { openAddress } from './records.ts';

/** Sends what was claimed, and nothing else. The adapter turns whatever happens into outcomes. */
export async function callProvider(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
  prepared: Extract<PreparedAttempt, { kind: 'ready' }>,
  { claimed, callId, claimedAtMs }: Claim & { callId: string; claimedAtMs: number },
  run: DeliverRun,
): Promise<CallOutcome> {
  const { message } = prepared.ledger;
  const outgoing = outgoingMessage(tenant, message, prepared.content, prepared.parts, claimed, {
    callId,
    attempt: input.attempt,
  });
  let startedMs = performance.now();
  const result = await prepared.usable.provider.send(prepared.usable.account, outgoing, {
    timeoutMs: run.timing.providerTimeoutMs,
    beforeWrite: () => {
      platform.failpoints('before_request');
      startedMs = performance.now();
      // A process that was paused after its claim wakes up here: the time in which it might call is over.
      if (startedMs - claimedAtMs > run.timing.callWithinMs)
        throw new NotCalledError('the time from claim to request is over');
    },
  });
  measure(platform, prepared, result, startedMs);
  return {
    callId,
    messageId: message.id,
    at: Date.now(),
    spread: input.spread,
    recipients: claimed.map((row) => {
      const key = addressKey(openAddress(tenant, row).email);
      const found = result.recipients.find(({ email }) => addressKey(email) === key);
      return {
        id: row.id,
        outcome: settleRepeat(
          found?.outcome ?? { kind: 'unknown', class: 'ambiguous' },
          input.step,
        ),
        ...(found?.code !== undefined && { code: found.code }),
      };
    }),
    ...(result.providerMessageId !== undefined && { providerMessageId: result.providerMessageId }),
    ...wordsOf(result),
    ...(input.step === 'repeat' && { reconciledBy: 'repeat' as const }),
  };
}

/** A refused repeat says nothing of the first call: it stays unknown. */
function settleRepeat(outcome: Outcome, step: DeliverInput['step']): Outcome {
  return step === 'repeat' && outcome.kind === 'refused'
    ? { kind: 'unknown', class: 'ambiguous' }
    : outcome;
}

/** The call's own code and words, or those of the first recipient that has some. */
function wordsOf(result: CallResult): { code?: string; words?: string } {
  const source =
    result.code !== undefined || result.words !== undefined
      ? result
      : result.recipients.find(({ code, words }) => code !== undefined || words !== undefined);
  return {
    ...(source?.code !== undefined && { code: source.code }),
    ...(source?.words !== undefined && { words: source.words }),
  };
}

function measure(
  platform: Platform,
  { stored, ledger }: Extract<PreparedAttempt, { kind: 'ready' }>,
  result: CallResult,
  startedMs: number,
): void {
  const { metrics } = platform;
  const { provider } = stored;
  metrics.callMs.observe({ provider }, performance.now() - startedMs);
  for (const { outcome } of result.recipients)
    metrics.outcomes.inc({
      provider,
      outcome: outcome.kind,
      class: outcome.kind === 'accepted' ? '' : outcome.class,
    });
  const due = Math.max(
    ledger.message.created_at.getTime(),
    ledger.message.scheduled_at?.getTime() ?? 0,
  );
  if (ledger.calls.length === 0) metrics.toProviderMs.observe(Date.now() - due);
}
