/**
 * Why it was not accepted. `transient`, `rate`, `message`, `account`: certainly not sent. `ambiguous`: may have been.
 * `not_called`: we stopped before the request was written.
 */
export type ErrorClass = 'transient' | 'rate' | 'message' | 'account' | 'ambiguous' | 'not_called';

/** How a provider call ended for one recipient. `unknown`: it may have been sent. */
export type Outcome =
  | { kind: 'accepted' }
  | { kind: 'refused'; class: Exclude<ErrorClass, 'ambiguous'>; retryAfterMs?: number }
  | { kind: 'unknown'; class: 'ambiguous' };

/** A late outcome replaces an earlier one only if it ranks higher. */
export const outcomeRank = { claimed: 0, unknown: 1, refused: 2, accepted: 3 } as const;
