import { toPublicId } from '../../domain/ids.ts';
import type { SettledBy } from '../../domain/message-status.ts';
import type { AttemptResult } from '../../domain/next-step.ts';
import { statusOfRow, type Ledger } from './records.ts';

/** How an attempt stands in the ledger, as a workflow needs it: ids and counts, no address, no words. */
export interface AttemptReport {
  result: AttemptResult;
  status: string;
  provider: string;
  /** Set once the story is over. */
  settledBy: SettledBy | null;
  /** Recipients whose next event the run is told about. */
  awaiting: string[];
  unknown: string[];
}

export function reportAttempt(
  { message, recipients, calls }: Ledger,
  attempt: number,
): AttemptReport {
  const call = calls.find((row) => row.attempt === attempt);
  const count = (...statuses: string[]) =>
    recipients.filter((row) => statuses.includes(statusOfRow(row))).length;
  const unknown = recipients.filter((row) => statusOfRow(row) === 'unknown');
  const ids = (rows: { id: string }[]) => rows.map(({ id }) => toPublicId('recipient', id));
  return {
    status: message.status,
    provider: call?.provider ?? 'none',
    settledBy: message.settled_by,
    awaiting: ids(recipients.filter((row) => row.awaiting)),
    unknown: ids(unknown),
    result: {
      attempt,
      accepted: count('sent', 'deferred', 'delivered', 'bounced', 'rejected'),
      ended: count('failed', 'suppressed', 'cancelled'),
      pending: count('pending'),
      unknown: unknown.length,
      ...(call?.class && { class: call.class }),
      ...(call?.held_until &&
        call.done_at && { retryAfterMs: call.held_until.getTime() - call.done_at.getTime() }),
      notCalled: calls.filter((row) => row.attempt <= attempt && row.class === 'not_called').length,
      honoursCallId: call?.decision.honoursCallId ?? false,
      reportsEvents: call !== undefined && call.decision.deliveryEvents !== 'none',
      repeats: call?.repeats ?? 0,
    },
  };
}
