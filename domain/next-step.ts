import type { ErrorClass } from './outcome.ts';

/** How one attempt ended for the message as a whole, as `deliver` reports it. Times are epoch milliseconds. */
export interface AttemptResult {
  attempt: number;
  accepted: number;
  /** Refused for good, or never attempted: suppressed, cancelled. */
  ended: number;
  /** Refused for now; another try can help. */
  pending: number;
  unknown: number;
  /** Of the pending or unknown ones. */
  class?: ErrorClass;
  retryAfterMs?: number;
  /** Attempts of the message up to this one that never reached a provider; absent counts as none. */
  notCalled?: number;
  /** The account answers a repeated call under its key as it answered the first. */
  honoursCallId: boolean;
  /** The account tells of events, one of which may clarify an unknown call. */
  reportsEvents: boolean;
  /** The same call was sent again this many times. */
  repeats: number;
}

export interface StepPolicy {
  /** Retries of the same message stop here. */
  retryUntil: number;
  /** Nothing is sent after this. */
  expiresAt?: number;
  /** How long an unknown outcome may stay in clarification. */
  reconcileWindowMs: number;
}

export type Step =
  | { kind: 'attempt'; attempt: number; waitMs: number }
  | { kind: 'repeat'; attempt: number; waitMs: number }
  | { kind: 'await_event'; attempt: number; windowMs: number }
  | { kind: 'done' }
  /** The pending recipients end as failed, for this reason. */
  | { kind: 'give_up'; reason: 'gave_up' | 'expired' };

const MAX_REPEATS = 5;
const MAX_BACKOFF_MS = 5 * 60_000;
/** Longest pause because of ourselves. */
const MAX_BUSY_MS = 30_000;
/** A provider's Retry-After is believed up to here. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Whether the same account may be tried again for the same recipient. */
export const retryHelps: Record<ErrorClass, boolean> = {
  transient: true,
  rate: true,
  not_called: true,
  message: false,
  account: false,
  ambiguous: false,
};

/** 1 s, doubling to 5 min, spread by a fifth so that a provider that returns is not hit by all at once. */
export function backoffMs(
  attempt: number,
  retryAfterMs: number | undefined,
  spread: number,
): number {
  const exponential = Math.min(1_000 * 2 ** (attempt - 1), MAX_BACKOFF_MS);
  const spreadOut = Math.round(exponential * (0.9 + 0.2 * spread));
  return Math.max(spreadOut, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
}

/**
 * How long a refused attempt waits for the next. One that we did not call ourselves is made again at once; when that
 * happens again we are too busy, and more of the same at once would keep us so. It says nothing of the provider, whose
 * own refusals are counted without it.
 */
export function retryWaitMs(
  refused: Pick<AttemptResult, 'attempt' | 'notCalled' | 'retryAfterMs'> & { class: ErrorClass },
  spread: number,
): number {
  const { attempt, notCalled = 0 } = refused;
  if (refused.class !== 'not_called')
    return backoffMs(Math.max(attempt - notCalled, 1), refused.retryAfterMs, spread);
  return notCalled <= 1 ? 0 : Math.min(backoffMs(notCalled - 1, undefined, spread), MAX_BUSY_MS);
}

/**
 * What follows after the last attempt. Pure, so that workflow, timeline and preview cannot disagree.
 * @param spread a number in [0, 1) that belongs to the message
 */
export function nextStep(
  last: AttemptResult,
  policy: StepPolicy,
  now: number,
  spread: number,
): Step {
  if (last.unknown > 0) {
    if (last.honoursCallId && last.repeats < MAX_REPEATS)
      return {
        kind: 'repeat',
        attempt: last.attempt,
        waitMs: backoffMs(last.repeats + 1, last.retryAfterMs, spread),
      };
    const windowMs = last.reportsEvents ? policy.reconcileWindowMs : 0;
    return { kind: 'await_event', attempt: last.attempt, windowMs };
  }
  if (last.pending === 0) return { kind: 'done' };
  const waitMs = retryWaitMs({ ...last, class: last.class ?? 'transient' }, spread);
  if (policy.expiresAt !== undefined && now + waitMs >= policy.expiresAt)
    return { kind: 'give_up', reason: 'expired' };
  if (now + waitMs > policy.retryUntil) return { kind: 'give_up', reason: 'gave_up' };
  return { kind: 'attempt', attempt: last.attempt + 1, waitMs };
}
