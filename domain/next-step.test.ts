import assert from 'node:assert/strict';
import { backoffMs, nextStep, type AttemptResult, type Step } from './next-step.ts';

const last = (change: Partial<AttemptResult>): AttemptResult => ({
  attempt: 1,
  accepted: 0,
  ended: 0,
  pending: 0,
  unknown: 0,
  honoursCallId: false,
  reportsEvents: true,
  repeats: 0,
  ...change,
});
const policy = { retryUntil: 3_600_000, reconcileWindowMs: 60_000 };

describe('nextStep', () => {
  const rows: {
    name: string;
    last: AttemptResult;
    expiresAt?: number;
    now?: number;
    step: Step;
  }[] = [
    { name: 'accepted', last: last({ accepted: 1 }), step: { kind: 'done' } },
    {
      name: 'refused for good',
      last: last({ ended: 1, class: 'message' }),
      step: { kind: 'done' },
    },
    {
      name: 'refused for now: again after a pause',
      last: last({ pending: 1, class: 'transient' }),
      step: { kind: 'attempt', attempt: 2, waitMs: 1_000 },
    },
    {
      name: 'told to slow down: not before the time given',
      last: last({ pending: 1, class: 'rate', retryAfterMs: 30_000 }),
      step: { kind: 'attempt', attempt: 2, waitMs: 30_000 },
    },
    {
      name: 'an absurd Retry-After is capped at an hour',
      last: last({ pending: 1, class: 'rate', retryAfterMs: 10 * 365 * 86_400_000 }),
      step: { kind: 'attempt', attempt: 2, waitMs: 3_600_000 },
    },
    {
      name: 'not called: at once',
      last: last({ pending: 1, class: 'not_called' }),
      step: { kind: 'attempt', attempt: 2, waitMs: 0 },
    },
    {
      name: 'not called again and again: we are too busy, so not at once',
      last: last({ pending: 1, class: 'not_called', attempt: 4, notCalled: 3 }),
      step: { kind: 'attempt', attempt: 5, waitMs: 2_000 },
    },
    {
      name: 'refused for now after attempts that were not calls: as the first refusal',
      last: last({ pending: 1, class: 'transient', attempt: 23, notCalled: 22 }),
      step: { kind: 'attempt', attempt: 24, waitMs: 1_000 },
    },
    {
      name: 'too old to retry: given up',
      last: last({ pending: 1, class: 'transient' }),
      now: 3_600_000,
      step: { kind: 'give_up', reason: 'gave_up' },
    },
    {
      name: 'would expire before the next try',
      last: last({ pending: 1, class: 'transient' }),
      expiresAt: 900,
      step: { kind: 'give_up', reason: 'expired' },
    },
    {
      name: 'unknown where the account honours our id: the same call again',
      last: last({ unknown: 1, class: 'ambiguous', honoursCallId: true }),
      step: { kind: 'repeat', attempt: 1, waitMs: 1_000 },
    },
    {
      name: 'unknown after enough repeats: an event must tell',
      last: last({ unknown: 1, class: 'ambiguous', honoursCallId: true, repeats: 5 }),
      step: { kind: 'await_event', attempt: 1, windowMs: 60_000 },
    },
    {
      name: 'unknown elsewhere: never sent again by itself',
      last: last({ unknown: 1, class: 'ambiguous' }),
      step: { kind: 'await_event', attempt: 1, windowMs: 60_000 },
    },
    {
      name: 'unknown where no event can come: nothing to wait for',
      last: last({ unknown: 1, class: 'ambiguous', reportsEvents: false }),
      step: { kind: 'await_event', attempt: 1, windowMs: 0 },
    },
    {
      name: 'partly unknown comes before partly pending',
      last: last({ unknown: 1, pending: 1, class: 'ambiguous' }),
      step: { kind: 'await_event', attempt: 1, windowMs: 60_000 },
    },
  ];
  for (const row of rows)
    it(row.name, () => {
      const rules = { ...policy, ...(row.expiresAt !== undefined && { expiresAt: row.expiresAt }) };
      assert.deepEqual(nextStep(row.last, rules, row.now ?? 0, 0.5), row.step);
    });

  it('backs off from 1 s to 5 min, spread by a tenth either way', () => {
    assert.deepEqual(
      [1, 2, 3, 20].map((attempt) => backoffMs(attempt, undefined, 0.5)),
      [1_000, 2_000, 4_000, 300_000],
    );
    assert.equal(backoffMs(1, undefined, 0), 900);
  });
});
