import { recipientStatuses, type RecipientStatus } from './recipient-status.ts';

/** Each status of a message, and whether it is an end. */
export const messageStatuses = {
  scheduled: { isFinal: false },
  accepted: { isFinal: false },
  sending: { isFinal: false },
  held: { isFinal: false },
  reconciling: { isFinal: false },
  sent: { isFinal: true },
  unknown: { isFinal: true },
  failed: { isFinal: true },
  suppressed: { isFinal: true },
  cancelled: { isFinal: true },
} as const satisfies Record<string, { isFinal: boolean }>;

export type MessageStatus = keyof typeof messageStatuses;
export const messageStatusNames = Object.keys(messageStatuses) as MessageStatus[];
export type OpenMessageStatus = 'scheduled' | 'accepted' | 'sending' | 'held' | 'reconciling';

export function isOpen(status: MessageStatus): status is OpenMessageStatus {
  return !messageStatuses[status].isFinal;
}

/**
 * What ended a message's story: `events` of the provider, the end of the tracking `window`, an `account` that reports no
 * delivery, `acceptance` as asked for, an `outcome` that leaves nothing to wait for, or a `request` to cancel.
 */
export type SettledBy = 'events' | 'window' | 'account' | 'acceptance' | 'outcome' | 'request';

/** Which end a recipient's status is for its message, and which wins when they differ (lowest first). */
const ends: Record<RecipientStatus, { status: MessageStatus; rank: number } | null> = {
  pending: null,
  sent: { status: 'sent', rank: 0 },
  deferred: { status: 'sent', rank: 0 },
  delivered: { status: 'sent', rank: 0 },
  bounced: { status: 'sent', rank: 0 },
  rejected: { status: 'sent', rank: 0 },
  unknown: { status: 'unknown', rank: 1 },
  failed: { status: 'failed', rank: 2 },
  cancelled: { status: 'cancelled', rank: 3 },
  suppressed: { status: 'suppressed', rank: 4 },
};

/**
 * The message's status from those of its recipients. While one of them is pending, or an unknown one is being clarified,
 * `open` says how far the work is.
 */
export function messageStatusOf(
  recipients: RecipientStatus[],
  open: OpenMessageStatus | null,
): MessageStatus {
  if (open === 'reconciling' && recipients.includes('unknown')) return 'reconciling';
  let best: { status: MessageStatus; rank: number } | undefined;
  for (const recipient of recipients) {
    const end = ends[recipient];
    if (end === null) return open ?? 'sending';
    if (!best || end.rank < best.rank) best = end;
  }
  if (!best) throw new Error('a message has at least one recipient');
  return best.status;
}

export function isSettled(status: RecipientStatus): boolean {
  return recipientStatuses[status].isSettled;
}
