import { plannedEvents, type EventStep } from './behaviours.ts';
import type { WebhookFault } from './faults.ts';

export interface PlannedEvent {
  step: EventStep;
  /** Position in the recipient's ordinary plan: the same event keeps it when it is posted again. */
  index: number;
  dueMs: number;
}

/** What is posted about an accepted recipient, and when. */
export function planEvents(recipient: string, acceptedMs: number, delayMs: number): PlannedEvent[] {
  return plannedEvents(recipient).map((step, index) => ({
    step,
    index,
    dueMs: acceptedMs + step.after * delayMs,
  }));
}

/** The plan under a webhook fault: events lost, late, out of order, repeated. */
export function disturb(
  plan: PlannedEvent[],
  fault: WebhookFault,
  random: () => number,
): PlannedEvent[] {
  const { loseShare = 0, delayMs = 0, reorder = false, duplicate = 0 } = fault;
  const kept = plan
    .filter(() => random() >= loseShare)
    .map((event) => ({ ...event, dueMs: event.dueMs + delayMs }));
  if (reorder) shuffleTimes(kept, random);
  const lastMs = Math.max(...kept.map(({ dueMs }) => dueMs));
  const copies = kept.flatMap((event) =>
    // Some land in the same post, some in a later one.
    Array.from({ length: duplicate }, () => ({
      ...event,
      dueMs: event.dueMs + Math.round(random() * 2 * (lastMs - event.dueMs + 200)),
    })),
  );
  return [...kept, ...copies];
}

function shuffleTimes(events: PlannedEvent[], random: () => number): void {
  const times = events.map(({ dueMs }) => dueMs);
  for (let i = times.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [times[i], times[j]] = [times[j] ?? 0, times[i] ?? 0];
  }
  events.forEach((event, i) => (event.dueMs = times[i] ?? event.dueMs));
}
