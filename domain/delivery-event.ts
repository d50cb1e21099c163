/** Normalised event types; what a provider's word means is said in its folder. */
export const eventTypes = [
  'queued',
  'sent',
  'delivered',
  'deferred',
  'bounced',
  'rejected',
  'failed',
  'complained',
  'unsubscribed',
  'subscribed',
  'opened',
  'clicked',
  'autoresponded',
  'other',
] as const;
export type EventType = (typeof eventTypes)[number];

export type BounceKind = 'hard' | 'soft';

/** Why an address or a mail was refused later, in our words. */
export type EventReason =
  'invalid' | 'bounced' | 'timed_out' | 'blocked' | 'spam' | 'unsubscribed' | 'other';
