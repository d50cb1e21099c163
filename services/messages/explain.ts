import { query } from '../../runtime/database.ts';
import type { MessageStatus } from '../../domain/message-status.ts';
import type { ServiceContext } from '../context.ts';
import { statusOfRow, type Ledger } from '../delivery/records.ts';
import { getMessageLedger } from './find-message.ts';
import { costOf } from './message-view.ts';
import { listAccountNames } from './read-messages.ts';
import {
  buildTimeline,
  type Timeline,
  type TimelineEntry,
  type TimelineEvent,
} from './timeline.ts';

export interface Explanation {
  verdict: string;
  status: string;
  whyThisAccount: string | null;
  providerSaid: string | null;
  couldBeDoubled: 'no' | 'possibly' | 'yes';
  next: Timeline['next'];
  cost: { micros: number; currency: string } | null;
  stoppedBy: string | null;
  /** Each claim with a JSON pointer into this message's timeline. */
  evidence: { claim: string; pointer: string }[];
}

/** What happened to a message, in sentences, each with its place in the timeline. */
export async function explainMessage(ctx: ServiceContext, id: string): Promise<Explanation> {
  return ctx.read(async (em) => {
    const ledger = await getMessageLedger(em, ctx, id);
    const events = await query<TimelineEvent>(
      em,
      'SELECT * FROM events WHERE tenant_id = $1 AND message_id = $2 ORDER BY at, id LIMIT 1000',
      [ctx.tenant.id, ledger.message.id],
    );
    return explain(ledger, buildTimeline(ctx, ledger, events, await listAccountNames(em)));
  });
}

function explain(ledger: Ledger, timeline: Timeline): Explanation {
  const { message, recipients, calls } = ledger;
  const evidence: Explanation['evidence'] = [];
  const last = (kind: string) => timeline.entries.findLastIndex((entry) => entry.kind === kind);
  const entry = (index: number): TimelineEntry | undefined => timeline.entries[index];
  /** A claim with its place; nothing where the timeline does not hold it. */
  const cite = (claim: string | null, index: number): string | null => {
    if (claim === null || index < 0) return null;
    evidence.push({ claim, pointer: `/entries/${index}` });
    return claim;
  };
  const verdict = verdictOf(ledger);
  const decisive = ['reconciled', 'outcome', 'suppressed', 'cancelled', 'settled', 'accepted'].map(
    last,
  );
  cite(verdict, decisive.find((index) => index >= 0) ?? 0);
  const routed = entry(last('routed'))?.['routed'] as RoutedDetails | undefined;
  const outcome = entry(last('outcome'))?.['outcome'] as OutcomeDetails | undefined;
  return {
    verdict,
    status: message.status,
    whyThisAccount: cite(routed ? whyThisAccount(routed) : null, last('routed')),
    providerSaid: cite(
      outcome ? (outcome.words ?? outcome.code ?? 'Nothing.') : null,
      last('outcome'),
    ),
    couldBeDoubled: couldBeDoubled(ledger),
    next: timeline.next,
    cost: costOf(recipients, calls),
    stoppedBy: stoppedBy(ledger, cite, last),
    evidence,
  };
}

interface RoutedDetails {
  chosen: string;
  provider: string;
  candidates: { name: string; excluded?: string; detail?: string }[];
}
interface OutcomeDetails {
  code: string | null;
  words: string | null;
}

type Sentence = (ledger: Ledger) => string;

const count = ({ recipients }: Ledger, ...statuses: string[]) =>
  recipients.filter((row) => statuses.includes(statusOfRow(row))).length;
const lastCall = ({ calls }: Ledger) => calls.at(-1);

/** One sentence for each status. */
const verdicts: Record<MessageStatus, Sentence> = {
  scheduled: ({ message }) =>
    `Waits for its time, ${message.scheduled_at?.toISOString() ?? 'soon'}.`,
  accepted: () => 'Stored; its run has not begun.',
  sending: (ledger) =>
    `Attempt ${lastCall(ledger)?.attempt ?? 1} is running at ${lastCall(ledger)?.provider ?? 'a provider'}.`,
  held: ({ message }) =>
    `Held (${message.held_reason ?? 'waiting'}) until ${message.held_until?.toISOString() ?? 'further notice'}.`,
  reconciling: (ledger) =>
    `${lastCall(ledger)?.provider ?? 'The provider'} was asked and its answer was lost; it is being clarified whether the mail was sent.`,
  sent: (ledger) => {
    const total = ledger.recipients.length;
    const parts = [
      `Accepted by ${lastCall(ledger)?.provider ?? 'a provider'} for ${count(ledger, 'sent', 'deferred', 'delivered', 'bounced', 'rejected')} of ${total}`,
      ...(['delivered', 'bounced', 'rejected', 'deferred', 'unknown', 'failed'] as const)
        .map((status) => ({ status, n: count(ledger, status) }))
        .filter(({ n }) => n > 0)
        .map(({ status, n }) => `${n} ${status}`),
    ];
    return `${parts.join(', ')}.`;
  },
  unknown: (ledger) =>
    `${lastCall(ledger)?.provider ?? 'The provider'} may have sent it: the answer was lost and nothing has clarified it since.`,
  failed: ({ message }) => `Nothing was sent: ${message.reason ?? 'every attempt was refused'}.`,
  suppressed: () => 'Nothing was sent: every recipient is on the suppression list.',
  cancelled: ({ message }) =>
    `Nothing was sent: cancelled by ${message.cancelled_by ?? 'request'}.`,
};

function verdictOf(ledger: Ledger): string {
  return verdicts[ledger.message.status as MessageStatus](ledger);
}

function whyThisAccount({ chosen, provider, candidates }: RoutedDetails): string {
  const others = candidates
    .filter(({ name }) => name !== chosen)
    .map(({ name, excluded, detail }) => `${name}: ${detail ?? excluded ?? 'comes later'}`);
  const why = `${chosen} (${provider}) is the first account that nothing excludes`;
  return others.length === 0 ? `${why}; there is no other.` : `${why}; ${others.join(', ')}.`;
}

/** Possibly: an attempt whose answer was lost was followed by another, or the call was sent twice under one key. */
function couldBeDoubled({ message, calls }: Ledger): Explanation['couldBeDoubled'] {
  if (message.duplicate_detected) return 'yes';
  const hadUnknown = calls.some(
    (call) => call.state === 'unknown' || call.reconciled_by === 'event',
  );
  const isDoubtful = hadUnknown && calls.length > 1;
  return isDoubtful ? 'possibly' : 'no';
}

function stoppedBy(
  { message }: Ledger,
  cite: (claim: string | null, index: number) => string | null,
  last: (kind: string) => number,
): string | null {
  if (message.status === 'cancelled')
    return cite(`Cancelled by ${message.cancelled_by ?? 'request'}.`, last('cancelled'));
  if (message.status === 'suppressed') return cite('The suppression list.', last('suppressed'));
  if (message.status === 'failed')
    return cite(`Failed: ${message.reason ?? 'refused'}.`, last('settled'));
  return null;
}
