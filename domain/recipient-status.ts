import type { BounceKind, EventReason, EventType } from './delivery-event.ts';

/** Each status of one recipient: how tables spell it, whether it ends the recipient's story. */
export const recipientStatuses = {
  pending: { letter: 'p', isSettled: false },
  sent: { letter: 's', isSettled: false },
  deferred: { letter: 'e', isSettled: false },
  delivered: { letter: 'd', isSettled: true },
  bounced: { letter: 'b', isSettled: true },
  rejected: { letter: 'r', isSettled: true },
  failed: { letter: 'f', isSettled: true },
  suppressed: { letter: 'x', isSettled: true },
  cancelled: { letter: 'c', isSettled: true },
  unknown: { letter: 'u', isSettled: true },
} as const satisfies Record<string, { letter: string; isSettled: boolean }>;

export type RecipientStatus = keyof typeof recipientStatuses;
export const recipientStatusNames = Object.keys(recipientStatuses) as RecipientStatus[];

const byLetter = new Map(
  recipientStatusNames.map((name) => [recipientStatuses[name].letter as string, name]),
);

export function recipientStatusOf(letter: string): RecipientStatus {
  const status = byLetter.get(letter);
  if (status === undefined) throw new Error(`no recipient status has the letter ${letter}`);
  return status;
}

/** What is known of one attempt for one recipient: how the call ended, and the first time of each kind of event. */
export interface AttemptFacts {
  outcome: 'none' | 'claimed' | 'unknown' | 'refused' | 'accepted';
  firstAt: Partial<Record<FactKind, Date>>;
  bounceKind?: BounceKind;
  reason?: EventReason;
}

/** The columns in which first times are kept. `machineOpened` is an open that no person made. */
export const factKinds = [
  'sent',
  'deferred',
  'delivered',
  'bounced',
  'rejected',
  'opened',
  'machineOpened',
  'clicked',
  'complained',
  'unsubscribed',
] as const;
export type FactKind = (typeof factKinds)[number];

/**
 * What an event does to its attempt: which fact it is, and whether it proves that the provider took the mail.
 * `subscribed` and `other` say nothing about this mail.
 */
export const eventEffects = {
  queued: { fact: null, provesAcceptance: true },
  sent: { fact: null, provesAcceptance: true },
  delivered: { fact: 'delivered', provesAcceptance: true },
  deferred: { fact: 'deferred', provesAcceptance: true },
  bounced: { fact: 'bounced', provesAcceptance: true },
  rejected: { fact: 'rejected', provesAcceptance: true },
  failed: { fact: 'rejected', provesAcceptance: true },
  complained: { fact: 'complained', provesAcceptance: true },
  unsubscribed: { fact: 'unsubscribed', provesAcceptance: true },
  subscribed: { fact: null, provesAcceptance: false },
  opened: { fact: 'opened', provesAcceptance: true },
  clicked: { fact: 'clicked', provesAcceptance: true },
  autoresponded: { fact: 'delivered', provesAcceptance: true },
  other: { fact: null, provesAcceptance: false },
} as const satisfies Record<EventType, { fact: FactKind | null; provesAcceptance: boolean }>;

export function factOf(event: { type: EventType; machine?: boolean }): FactKind | null {
  return event.type === 'opened' && event.machine === true
    ? 'machineOpened'
    : eventEffects[event.type].fact;
}

// Only a mail that arrived can be opened, clicked or complained about.
const PROVE_DELIVERY: FactKind[] = [
  'delivered',
  'opened',
  'machineOpened',
  'clicked',
  'complained',
  'unsubscribed',
];

/**
 * The status that an attempt's facts amount to: a function of the set, so order and repetition cannot matter. A bounce
 * after a delivery wins. `pending` is an attempt that was refused or has no outcome: the next step decides.
 */
export function statusOfFacts({ outcome, firstAt }: AttemptFacts): RecipientStatus {
  if (firstAt.bounced) return 'bounced';
  if (PROVE_DELIVERY.some((kind) => firstAt[kind])) return 'delivered';
  if (firstAt.rejected) return 'rejected';
  if (firstAt.deferred) return 'deferred';
  if (outcome === 'accepted') return 'sent';
  if (outcome === 'unknown') return 'unknown';
  return 'pending';
}
