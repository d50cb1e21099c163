import type { EntityManager } from '@mikro-orm/postgresql';
import { isSettled } from '../../domain/message-status.ts';
import {
  eventEffects,
  factOf,
  recipientStatuses,
  statusOfFacts,
  type RecipientStatus,
} from '../../domain/recipient-status.ts';
import { query } from '../../runtime/database.ts';
import type { AlarmKind } from '../alarm.ts';
import {
  factColumns,
  factsOfRow,
  statusOfRow,
  type CallState,
  type FactColumns,
  type RecipientRow,
} from '../delivery/records.ts';
import { detectDuplicate } from '../delivery/detect-duplicate.ts';
import { refreshMessage } from '../delivery/refresh-message.ts';
import { signalDeliveryEvent } from './signals.ts';
import type { EventMatch, KnownEvent } from './event-store.ts';

export interface MatchedEvent {
  event: KnownEvent;
  match: EventMatch;
}

type AttemptRow = FactColumns & {
  recipient_id: string;
  n: number;
  call_id: string;
  state: CallState;
};

/**
 * Adds events to the facts of their (recipient, attempt) and brings statuses in line. Order and repetition cannot
 * matter: facts are first times, statuses are functions of them, and the recipients' rows are locked before they are
 * read. Rows that a run waits for are signalled.
 */
export async function applyFacts(
  em: EntityManager,
  tenantId: string,
  matched: MatchedEvent[],
): Promise<{ messageId: string; alarm: AlarmKind }[]> {
  const alarms: { messageId: string; alarm: AlarmKind }[] = [];
  for (const [messageId, events] of byMessage(matched)) {
    // Always the message first, then its recipients by id: everybody who writes locks in this order.
    const [message] = await query<{ wait_for: string }>(
      em,
      'SELECT wait_for FROM messages WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
      [tenantId, messageId],
    );
    const rows = await query<RecipientRow>(
      em,
      'SELECT * FROM recipients WHERE tenant_id = $1 AND message_id = $2 ORDER BY id FOR NO KEY UPDATE',
      [tenantId, messageId],
    );
    await applyToEarlierAttempts(em, tenantId, events, rows);
    for (const row of rows) {
      const own = events.filter(
        ({ match }) => match.recipientId === row.id && match.attempt === row.attempt,
      );
      if (own.length > 0)
        await applyToRecipient(em, tenantId, row, own, message?.wait_for === 'delivery');
    }
    await acceptProvenCalls(em, tenantId, events);
    await refreshMessage(em, tenantId, messageId, { open: null, settledBy: 'events' });
    for (const alarm of await detectDuplicate(em, tenantId, messageId))
      alarms.push({ messageId, alarm });
  }
  return alarms;
}

/** In one order for everybody, so that two posts about the same messages cannot lock each other out. */
function byMessage(matched: MatchedEvent[]): [string, MatchedEvent[]][] {
  return [...Map.groupBy(matched, ({ match }) => match.messageId)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
}

async function applyToRecipient(
  em: EntityManager,
  tenantId: string,
  row: RecipientRow,
  events: MatchedEvent[],
  isWatched: boolean,
): Promise<void> {
  const before = statusOfRow(row);
  const facts = addFacts(row, events);
  const status = statusAfter(before, facts, row);
  const wasClarified = before === 'unknown' && status !== 'unknown';
  const settles = isSettled(status) && status !== 'unknown';
  const awaiting = row.awaiting && !settles && (isWatched || status === 'unknown');
  await query(
    em,
    `UPDATE recipients SET ${setFacts(4)}, state = $3, awaiting = $16, reason = CASE WHEN $17 THEN reason END
      WHERE tenant_id = $1 AND id = $2`,
    [
      tenantId,
      row.id,
      recipientStatuses[status].letter,
      ...factValues(facts),
      awaiting,
      status === 'failed',
    ],
  );
  if (row.awaiting && (wasClarified || (settles && status !== before)))
    await signalDeliveryEvent(em, tenantId, row.message_id, { recipientId: row.id, kind: status });
}

/** While the call is open the answer decides; its facts are kept for it. */
function statusAfter(
  before: RecipientStatus,
  facts: FactColumns,
  row: RecipientRow,
): RecipientStatus {
  if (before === 'pending' && row.answer_by && !facts.sent_at) return before;
  const status = statusOfFacts(factsOfRow(facts, facts.sent_at ? 'accepted' : 'none'));
  return status === 'pending' ? before : status;
}

async function applyToEarlierAttempts(
  em: EntityManager,
  tenantId: string,
  events: MatchedEvent[],
  rows: RecipientRow[],
): Promise<void> {
  const current = new Map(rows.map((row) => [row.id, row.attempt]));
  const earlier = events.filter(({ match }) => match.attempt !== current.get(match.recipientId));
  for (const own of Map.groupBy(
    earlier,
    ({ match }) => `${match.recipientId}/${match.attempt}`,
  ).values()) {
    const { recipientId, attempt } = own[0]?.match ?? { recipientId: '', attempt: 0 };
    const [row] = await query<AttemptRow>(
      em,
      'SELECT * FROM attempts WHERE tenant_id = $1 AND recipient_id = $2 AND n = $3 FOR NO KEY UPDATE',
      [tenantId, recipientId, attempt],
    );
    if (!row) continue;
    const facts = addFacts(row, own);
    await query(
      em,
      `UPDATE attempts SET ${setFacts(4)}, state = $16 WHERE tenant_id = $1 AND recipient_id = $2 AND n = $3`,
      [
        tenantId,
        recipientId,
        attempt,
        ...factValues(facts),
        facts.sent_at ? 'accepted' : row.state,
      ],
    );
  }
}

/** A call that we called unknown or refused, and that an event proves to have been taken. */
async function acceptProvenCalls(
  em: EntityManager,
  tenantId: string,
  events: MatchedEvent[],
): Promise<void> {
  const proven = events.filter(({ event }) => eventEffects[event.type].provesAcceptance);
  if (proven.length === 0) return;
  await query(
    em,
    `UPDATE provider_calls SET state = 'accepted', reconciled_at = now(), reconciled_by = 'event', held_until = NULL
      WHERE tenant_id = $1 AND id = ANY ($2) AND state IN ('unknown', 'refused')`,
    [tenantId, [...new Set(proven.map(({ match }) => match.callId))]],
  );
}

function addFacts(row: FactColumns, events: MatchedEvent[]): FactColumns {
  const facts = { ...row };
  for (const { event } of events) {
    const kind = factOf({ type: event.type, ...(event.machine === true && { machine: true }) });
    if (kind) facts[factColumns[kind]] = earliest(facts[factColumns[kind]], event.at);
    if (eventEffects[event.type].provesAcceptance)
      facts.sent_at = earliest(facts.sent_at, event.at);
    if (event.type === 'bounced') addBounce(facts, event);
    // A reason for being dropped counts only while no bounce says more.
    if ((event.type === 'rejected' || event.type === 'failed') && facts.bounce_kind === null)
      facts.bounce_reason = lowest(facts.bounce_reason, event.reason);
  }
  return facts;
}

/** Of two bounces the harder one says more; of two alike any rule will do that ignores their order. */
function addBounce(facts: FactColumns, event: KnownEvent): void {
  const kind = event.bounceKind ?? 'soft';
  if (facts.bounce_kind === null || (kind === 'hard' && facts.bounce_kind === 'soft')) {
    facts.bounce_kind = kind;
    facts.bounce_reason = event.reason;
  } else if (facts.bounce_kind === kind)
    facts.bounce_reason = lowest(facts.bounce_reason, event.reason);
}

const earliest = (a: Date | null, b: Date) => (a !== null && a <= b ? a : b);
const lowest = (a: string | null, b: string | null) =>
  a !== null && b !== null ? (a < b ? a : b) : (a ?? b);

const FACT_COLUMNS = [
  'sent_at', 'deferred_at', 'delivered_at', 'bounced_at', 'rejected_at', 'opened_at', 'machine_opened_at', 'clicked_at',
  'complained_at', 'unsubscribed_at', 'bounce_kind', 'bounce_reason',
] as const; // prettier-ignore

function setFacts(firstParameter: number): string {
  return FACT_COLUMNS.map((column, index) => `${column} = $${firstParameter + index}`).join(', ');
}

function factValues(facts: FactColumns): unknown[] {
  return FACT_COLUMNS.map((column) => facts[column]);
}
