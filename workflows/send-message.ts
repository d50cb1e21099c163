import {
  condition,
  defineSignal,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Activities } from '../activities/index.ts';
import { nextStep, type StepPolicy } from '../domain/next-step.ts';
import type { AttemptReport } from '../services/delivery/attempt-report.ts';
import { spreadOf } from '../domain/spread.ts';
import {
  searchAttributeNames,
  signalNames,
  type DeliveryEventSignal,
  type SendMessageInput,
  type SendMessageResult,
} from './contracts.ts';
import { HeardEvents } from './heard-events.ts';
import { describeSend, type SendView } from './describe-send.ts';

// Deadlines are values, not attempts: an activity that throws met trouble of our own, and is tried until it passes.
const { deliver } = proxyActivities<Activities>({
  startToCloseTimeout: '60 seconds',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '10 seconds' },
});
const { recordOutcome, concludeMessage, concludeUnknown, endTracking } =
  proxyActivities<Activities>({
    startToCloseTimeout: '30 seconds',
    retry: { initialInterval: '500 milliseconds', maximumInterval: '30 seconds' },
  });

export const deliveryEvent = defineSignal<[DeliveryEventSignal]>(signalNames.deliveryEvent);
export const cancel = defineSignal(signalNames.cancel);

const providerKey = defineSearchAttributeKey(
  searchAttributeNames.provider,
  SearchAttributeType.KEYWORD,
);
const statusKey = defineSearchAttributeKey(
  searchAttributeNames.status,
  SearchAttributeType.KEYWORD,
);

/**
 * One message from its first attempt until every recipient is settled or nobody watches any more. What it knows is in
 * PostgreSQL; a run that is lost is started again and reads it there.
 */
export async function sendMessage(input: SendMessageInput): Promise<SendMessageResult> {
  const heard = new HeardEvents();
  let isCancelled = false;
  setHandler(deliveryEvent, (event) => heard.hear(event));
  setHandler(cancel, () => void (isCancelled = true));

  const { messageId, tenantId } = input;
  const spread = spreadOf(messageId);
  const policy: StepPolicy = {
    retryUntil: input.retryUntil,
    reconcileWindowMs: input.reconcileWindowMs,
    ...(input.expiresAt !== undefined && { expiresAt: input.expiresAt }),
  };
  const view: SendView = { phase: 'sending', attempt: input.attempt, provider: null, waitsFor: 0 };
  const show = (change: Partial<SendView>) =>
    setCurrentDetails(describeSend(Object.assign(view, change)));
  /** A cancelled message need not wait: the ledger says at once that nothing is left to send. */
  const pause = async (ms: number) => {
    await condition(() => isCancelled, ms);
    isCancelled = false;
  };

  let attempt = input.attempt;
  let step: 'first' | 'repeat' = 'first';
  for (;;) {
    show({ phase: step === 'repeat' ? 'reconciling' : 'sending', attempt });
    let outcome = await deliver({ tenantId, messageId, attempt, step, spread });
    if (outcome.kind === 'unpersisted')
      outcome = await recordOutcome({ tenantId, messageId, attempt, outcome: outcome.outcome });
    if (outcome.kind === 'ended') return end({ status: outcome.status, attempts: attempt });
    if (outcome.kind === 'held') {
      show({ phase: 'held', reason: outcome.reason });
      await pause(outcome.waitMs);
      continue;
    }
    show({ provider: outcome.provider });
    const next = nextStep(outcome.result, policy, Date.now(), spread);
    if (next.kind === 'attempt' || next.kind === 'repeat') {
      show({
        phase: next.kind === 'repeat' ? 'reconciling' : 'held',
        reason: outcome.result.class ?? 'backoff',
      });
      if (next.waitMs > 0) await pause(next.waitMs);
      attempt = next.attempt;
      step = next.kind === 'repeat' ? 'repeat' : 'first';
      continue;
    }
    if (next.kind === 'give_up') {
      const { status } = await concludeMessage({ tenantId, messageId, reason: next.reason });
      return end({ status, attempts: attempt });
    }
    if (next.kind === 'await_event') {
      show({ phase: 'reconciling', waitsFor: outcome.unknown.length });
      const isClear = () => outcome.unknown.every((id) => heard.isClear(id));
      const clarified = next.windowMs > 0 && (await condition(isClear, next.windowMs));
      if (!clarified) {
        const { status } = await concludeUnknown({ tenantId, messageId });
        if (status === 'unknown') return end({ status, attempts: attempt });
      }
    }
    return end({ ...(await watch(outcome)), attempts: attempt });
  }

  /** Waits for the events that settle the recipients. What came before we waited was told with the outcome. */
  async function watch({ awaiting, result, settledBy }: AttemptReport): Promise<Ending> {
    const status = result.accepted + result.unknown > 0 ? 'sent' : 'failed';
    if (awaiting.length === 0) return { status, ...(settledBy && { settledBy }) };
    const open = () => awaiting.filter((id) => !heard.isSettled(id)).length;
    show({ phase: 'watching', waitsFor: open() });
    if (await condition(() => open() === 0, input.trackingWindowMs))
      return { status, settledBy: 'events' };
    await endTracking({ tenantId, messageId });
    return { status, settledBy: 'window' };
  }

  function end(result: SendMessageResult): SendMessageResult {
    show({ phase: 'done', status: result.status, waitsFor: 0 });
    upsertSearchAttributes([
      { key: statusKey, value: result.status },
      ...(view.provider === null ? [] : [{ key: providerKey, value: view.provider }]),
    ]);
    log.debug('done', { status: result.status });
    return result;
  }
}

type Ending = Pick<SendMessageResult, 'status' | 'settledBy'>;
