import type { BounceKind, EventReason, EventType } from '../domain/delivery-event.ts';
import type { Effect } from './effect.ts';

/** One later event of a recipient. */
export interface EventStep {
  type: EventType;
  bounceKind?: BounceKind;
  reason?: EventReason;
  /** When: so many event delays after acceptance. */
  after: number;
  /** An asynchronous bounce: the receiver took the mail first, so the provider no longer knows much about it. */
  isLate?: true;
}

interface Behaviour {
  /** What the whole call meets when it names such a recipient. */
  call?: Effect;
  events: readonly EventStep[];
}

const queued: EventStep = { type: 'queued', after: 1 };
const delivered: EventStep = { type: 'delivered', after: 2 };
const ordinary = [queued, delivered];

/** What an address does, by its local part: `bounce@…`, `bounce+7@…`, `bounce-7@…`. */
const behaviours = {
  bounce: {
    events: [queued, { type: 'bounced', bounceKind: 'hard', reason: 'invalid', after: 2 }],
  },
  softbounce: {
    events: [queued, { type: 'bounced', bounceKind: 'soft', reason: 'other', after: 2 }],
  },
  blocked: {
    events: [queued, { type: 'bounced', bounceKind: 'soft', reason: 'blocked', after: 2 }],
  },
  'late-bounce': {
    events: [
      ...ordinary,
      { type: 'bounced', bounceKind: 'hard', reason: 'invalid', after: 8, isLate: true },
    ],
  },
  complaint: { events: [...ordinary, { type: 'complained', after: 4 }] },
  open: { events: [...ordinary, { type: 'opened', after: 3 }] },
  click: {
    events: [...ordinary, { type: 'opened', after: 3 }, { type: 'clicked', after: 4 }],
  },
  unsubscribe: { events: [...ordinary, { type: 'unsubscribed', after: 4 }] },
  defer: { events: [queued, { type: 'deferred', after: 2 }, { type: 'delivered', after: 5 }] },
  drop: { events: [{ type: 'rejected', reason: 'bounced', after: 1 }] },
  silent: { events: [] },
  reset: { call: { resetBefore: true }, events: [] },
  'accept-then-timeout': { call: { acceptFirst: true, neverAnswer: true }, events: ordinary },
  'accept-then-reset': { call: { resetAfter: true }, events: ordinary },
  400: { call: { status: 400 }, events: [] },
  429: { call: { status: 429 }, events: [] },
  500: { call: { status: 500 }, events: [] },
  '500-accepted': { call: { status: 500, acceptFirst: true }, events: ordinary },
  503: { call: { status: 503 }, events: [] },
} as const satisfies Record<string, Behaviour>;
export type BehaviourName = `${keyof typeof behaviours}`;

const names = new Map<string, Behaviour>(Object.entries(behaviours));
const everyday: Behaviour = { events: ordinary };

/** Name of an address's behaviour; undefined for an ordinary address. */
export function behaviourName(address: string): string | undefined {
  const local = address.slice(0, address.lastIndexOf('@')).toLowerCase();
  const name = local.replace(/(\+.*|-\d+)$/, '');
  return names.has(name) ? name : undefined;
}

function behaviourOf(address: string): Behaviour {
  return names.get(behaviourName(address) ?? '') ?? everyday;
}

/** What the call meets: the first recipient that wants something decides. */
export function callEffect(recipients: readonly string[]): Effect | undefined {
  for (const recipient of recipients) {
    const { call } = behaviourOf(recipient);
    if (call !== undefined) return call;
  }
  return undefined;
}

/** The events of an accepted recipient, in order of time. */
export function plannedEvents(recipient: string): readonly EventStep[] {
  return behaviourOf(recipient).events;
}

/** A sender `unverified@…` is one that the provider does not let this account use. */
export function isUnverifiedSender(address: string): boolean {
  return address.toLowerCase().startsWith('unverified@');
}
