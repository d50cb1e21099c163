import { toPublicId } from '../../domain/ids.ts';
import type { MessageStatus } from '../../domain/message-status.ts';
import { query } from '../../runtime/database.ts';
import { sendMessageId } from '../../workflows/contracts.ts';
import type { ServiceContext } from '../context.ts';
import { openAddress, statusOfRow, type CallRow, type Ledger } from '../delivery/records.ts';
import type { EventDetails } from '../events/event-store.ts';
import { getMessageLedger } from './find-message.ts';
import { listAccountNames } from './read-messages.ts';

/** One thing that happened; its details stand under the name of its kind. */
export interface TimelineEntry {
  at: string;
  kind: string;
  [details: string]: unknown;
}

export interface Timeline {
  entries: TimelineEntry[];
  next: { what: string; at: string | null } | null;
  workflowId: string;
}

export interface TimelineEvent {
  type: string;
  at: Date;
  received_at: Date;
  recipient_id: string;
  attempt: number | null;
  provider: string | null;
  bounce_kind: string | null;
  reason: string | null;
  machine: boolean | null;
  details_enc: Buffer | null;
  raw_enc: Buffer | null;
}

export async function getTimeline(ctx: ServiceContext, id: string): Promise<Timeline> {
  const { ledger, events, names } = await ctx.read(async (em) => {
    const found = await getMessageLedger(em, ctx, id);
    return {
      ledger: found,
      names: await listAccountNames(em),
      events: await query<TimelineEvent>(
        em,
        'SELECT * FROM events WHERE tenant_id = $1 AND message_id = $2 ORDER BY at, id LIMIT 1000',
        [ctx.tenant.id, found.message.id],
      ),
    };
  });
  return buildTimeline(ctx, ledger, events, names);
}

export function buildTimeline(
  ctx: ServiceContext,
  ledger: Ledger,
  events: TimelineEvent[],
  names: Map<string, string>,
): Timeline {
  const { message } = ledger;
  const entries = [
    ...messageEntries(ledger),
    ...ledger.calls.flatMap((call) => callEntries(ctx, ledger, call, names)),
    ...events.flatMap((event) => eventEntries(ctx, ledger, event)),
  ];
  // Entries of one instant keep the order in which things follow from each other.
  const order = entries.map((entry, index) => ({ entry, index, at: placeOf(entry, ledger) }));
  order.sort((a, b) => a.at.localeCompare(b.at) || a.index - b.index);
  return {
    entries: order.map(({ entry }) => entry),
    next: nextOf(ledger),
    workflowId: sendMessageId(ctx.tenant.key, toPublicId('message', message.id), message.run_no),
  };
}

/**
 * Providers round the times of their events, SendGrid to whole seconds: one that seems to be older than the outcome
 * of its own attempt stands where it was received.
 */
function placeOf(entry: TimelineEntry, { calls }: Ledger): string {
  const event = entry['event'] as { attempt: number | null; receivedAt: string } | undefined;
  const call = event && calls.find(({ attempt }) => attempt === event.attempt);
  if (!call) return entry.at;
  const isAfterOutcome = call.done_at !== null && entry.at >= call.done_at.toISOString();
  return isAfterOutcome ? entry.at : event.receivedAt;
}

function messageEntries({ message, recipients }: Ledger): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const add = (at: Date | null, kind: string, details: object) => {
    if (at) entries.push({ at: at.toISOString(), kind, [kind]: details });
  };
  add(message.created_at, 'accepted', {
    recipients: message.recipient_count,
    stream: message.stream,
    template: message.template_key,
    version: message.template_version,
    requestId: message.request_id,
    waitFor: message.wait_for,
    ...(message.wait_note && { note: message.wait_note }),
  });
  if (message.scheduled_at)
    add(message.created_at, 'scheduled', { for: message.scheduled_at.toISOString() });
  add(message.started_at, 'started', { run: message.run_no });
  if (message.status === 'held' && message.held_reason === 'suspended')
    add(message.held_until, 'held', {
      reason: message.held_reason,
      until: message.held_until?.toISOString(),
    });
  add(message.cancelled_at, 'cancelled', { by: message.cancelled_by });
  add(message.settled_at, 'settled', {
    status: message.status,
    by: message.settled_by,
    reason: message.reason,
    recipients: recipients.length,
  });
  return entries;
}

/** What one call tells: rendered, routed, attempted, outcome, and what followed from it. */
function callEntries(
  ctx: ServiceContext,
  { recipients }: Ledger,
  call: CallRow,
  names: Map<string, string>,
): TimelineEntry[] {
  const account = names.get(call.account_id) ?? toPublicId('providerAccount', call.account_id);
  const base = { attempt: call.attempt };
  const claimedAt = call.claimed_at.toISOString();
  const { renderedAt, renderMs, sizeBytes, candidates } = call.decision;
  const entries: TimelineEntry[] = [
    { at: renderedAt, kind: 'rendered', rendered: { ...base, ms: renderMs, sizeBytes } },
    {
      at: claimedAt,
      kind: 'routed',
      routed: {
        ...base,
        chosen: account,
        provider: call.provider,
        candidates: candidates.map((candidate) => ({
          ...candidate,
          account: toPublicId('providerAccount', candidate.account),
        })),
      },
    },
    {
      at: claimedAt,
      kind: 'attempted',
      attempted: {
        ...base,
        account,
        provider: call.provider,
        callId: toPublicId('call', call.id),
        callBy: call.call_by.toISOString(),
        answerBy: call.answer_by.toISOString(),
        recipients: recipients
          .filter(({ call_id }) => call_id === call.id)
          .map((row) => openAddress(ctx.tenant, row).email),
        repeats: call.repeats,
      },
    },
  ];
  if (call.done_at) {
    // What an unknown call turned out to be is told by `reconciled`; this is how it first looked.
    const outcome = call.reconciled_at ? 'unknown' : call.state;
    entries.push({
      at: call.done_at.toISOString(),
      kind: 'outcome',
      outcome: {
        ...base,
        outcome,
        class: outcome === 'unknown' ? 'ambiguous' : call.class,
        code: call.code,
        words: call.words,
        providerMessageId: call.provider_message_id,
        ms: call.done_at.getTime() - call.claimed_at.getTime(),
      },
    });
  }
  if (call.held_until && call.done_at)
    entries.push({
      at: call.done_at.toISOString(),
      kind: 'held',
      held: { ...base, reason: 'backoff', until: call.held_until.toISOString() },
    });
  if (call.reconciled_at)
    entries.push({
      at: call.reconciled_at.toISOString(),
      kind: 'reconciled',
      reconciled: { ...base, outcome: call.state, by: call.reconciled_by },
    });
  return entries;
}

const SHOWN_OWN_FACTS = ['suppressed', 'failed'];

function eventEntries(
  ctx: ServiceContext,
  { recipients }: Ledger,
  event: TimelineEvent,
): TimelineEntry[] {
  const row = recipients.find(({ id }) => id === event.recipient_id);
  const recipient = row && openAddress(ctx.tenant, row).email;
  const isOurs = event.raw_enc === null;
  if (isOurs && !SHOWN_OWN_FACTS.includes(event.type)) return []; // told by other entries
  if (isOurs && event.type === 'suppressed')
    return [
      {
        at: event.at.toISOString(),
        kind: 'suppressed',
        suppressed: { recipient, reason: event.reason },
      },
    ];
  const details =
    event.details_enc &&
    ctx.tenant.vault.openJson<EventDetails>('event_details', event.details_enc);
  return [
    {
      at: event.at.toISOString(),
      kind: 'event',
      event: {
        type: event.type,
        source: isOurs ? 'platform' : event.provider,
        recipient,
        attempt: event.attempt,
        receivedAt: event.received_at.toISOString(),
        bounceKind: event.bounce_kind,
        reason: event.reason,
        description: details?.description ?? null,
        url: details?.url ?? null,
        machine: event.machine,
      },
    },
  ];
}

/** What happens next by itself, and when at the latest. */
export function nextOf({
  message,
  recipients,
  calls,
}: Ledger): { what: string; at: string | null } | null {
  const iso = (at: Date | null) => at?.toISOString() ?? null;
  const status = message.status as MessageStatus;
  const open = recipients.find((row) => row.answer_by);
  if (open)
    return {
      what: 'The provider answers, or the call counts as unknown.',
      at: iso(open.answer_by),
    };
  if (status === 'scheduled')
    return { what: 'The message becomes due.', at: iso(message.scheduled_at) };
  if (status === 'accepted') return { what: 'The run starts.', at: iso(message.check_at) };
  if (status === 'held') return { what: 'The next attempt.', at: iso(message.held_until) };
  if (status === 'reconciling')
    return {
      what: 'An event or a repeated call says whether it was sent; else it stays unknown.',
      at: iso(message.reconcile_until),
    };
  if (status === 'sending') return { what: `Attempt ${calls.length + 1}.`, at: null };
  if (recipients.some((row) => row.awaiting && statusOfRow(row) !== 'unknown'))
    return { what: 'Delivery events of the provider.', at: null };
  return null;
}
