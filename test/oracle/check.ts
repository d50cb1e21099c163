// The judge of a run. It knows nothing of how the platform works: only what the API acknowledged, what the records say
// and what providers took.

/** One thing that a client asked for, under one idempotency key. */
export interface ClientRequest {
  key: string;
  recipients: string[];
  /** The message id of every 2xx that it got; none when no answer arrived. */
  acknowledgedIds: string[];
}

/** A message as the records tell it. */
export interface RecordedMessage {
  id: string;
  /** Key of the client's request, which it sent along as metadata. */
  requestKey: string | null;
  status: string;
  /** As the API shows them. */
  recipients: { email: string; status: string }[];
  /** The recipients' statuses as the tables have them. */
  storedStatuses: string[];
  calls: { id: string; state: string }[];
}

/** One line of the provider's acceptance file. */
export interface TakenMail {
  messageId: string | null;
  callId: string | null;
  recipient: string;
}

export interface Evidence {
  requests: ClientRequest[];
  messages: RecordedMessage[];
  taken: TakenMail[];
  /** What `GET /v1/balance` calls unexplained. */
  balanceUnexplained: number;
}

/** All counted in (message, recipient); the first six say where acknowledged ones ended. */
export interface Verdict {
  accepted: number;
  sent: number;
  failed: number;
  suppressed: number;
  cancelled: number;
  unknown: number;
  /** Acknowledged, taken by no provider, and not failed, suppressed, cancelled or unknown. */
  lost: number;
  /** Taken more than once. */
  doubled: number;
  /** Whatever does not fit together. */
  unexplained: number;
  /** A sentence for each that is lost, doubled or unexplained. */
  findings: string[];
}

type End = 'sent' | 'failed' | 'suppressed' | 'cancelled' | 'unknown';

const ends: Record<string, End> = {
  sent: 'sent',
  deferred: 'sent',
  delivered: 'sent',
  bounced: 'sent',
  rejected: 'sent',
  failed: 'failed',
  suppressed: 'suppressed',
  cancelled: 'cancelled',
  unknown: 'unknown',
};

/** Of a message's recipients the first of these names the message. */
const PRECEDENCE: End[] = ['sent', 'unknown', 'failed', 'cancelled', 'suppressed'];

/** One (message, recipient), with everything known about it. */
interface Pair {
  name: string;
  isAcknowledged: boolean;
  /** Status in the records; undefined where they do not know the pair. */
  status: string | undefined;
  timesTaken: number;
}

export function check(evidence: Evidence): Verdict {
  const pairs = pairUp(evidence);
  const acknowledged = pairs.filter(({ isAcknowledged }) => isAcknowledged);
  const ended = (end: End) =>
    acknowledged.filter(({ status }) => status !== undefined && ends[status] === end).length;
  const lost = acknowledged.filter(isLost);
  const doubled = pairs.filter(({ timesTaken }) => timesTaken > 1);
  const unexplained = [
    ...pairs.flatMap(findContradiction),
    ...findMessageProblems(evidence),
    ...findKeyProblems(evidence),
    ...findCallProblems(evidence),
  ];
  return {
    accepted: acknowledged.length,
    sent: ended('sent'),
    failed: ended('failed'),
    suppressed: ended('suppressed'),
    cancelled: ended('cancelled'),
    unknown: ended('unknown'),
    lost: lost.length,
    doubled: doubled.length,
    unexplained: unexplained.length + evidence.balanceUnexplained,
    findings: [
      ...lost.map(({ name, status }) => `lost: ${name}, recorded as ${status ?? 'nothing'}`),
      ...doubled.map(({ name, timesTaken }) => `doubled: ${name}, taken ${timesTaken} times`),
      ...unexplained.map((text) => `unexplained: ${text}`),
      ...(evidence.balanceUnexplained > 0
        ? [`unexplained: ${evidence.balanceUnexplained} by the balance's own count`]
        : []),
    ],
  };
}

export function formatVerdict(verdict: Verdict): string {
  const { accepted, sent, failed, suppressed, cancelled, unknown } = verdict;
  const { lost, doubled, unexplained } = verdict;
  return (
    `accepted ${accepted}  sent ${sent}  failed ${failed}  suppressed ${suppressed}  ` +
    `cancelled ${cancelled}  unknown ${unknown}  lost ${lost}  doubled ${doubled}  unexplained ${unexplained}`
  );
}

/** Everything that anybody knows, by (message, recipient). Two messages of one request are one: one key, one mail. */
function pairUp({ requests, messages, taken }: Evidence): Pair[] {
  const requestOf = new Map<string, string>();
  for (const { id, requestKey } of messages) if (requestKey !== null) requestOf.set(id, requestKey);
  for (const { key, acknowledgedIds } of requests)
    for (const id of acknowledgedIds) if (!requestOf.has(id)) requestOf.set(id, key);
  const unitOf = (messageId: string | null) =>
    (messageId !== null && requestOf.get(messageId)) || (messageId ?? 'no message id');

  const pairs = new Map<string, Pair>();
  const pairOf = (unit: string, recipient: string): Pair => {
    const name = `${unit} to ${recipient.toLowerCase()}`;
    const known = pairs.get(name);
    if (known) return known;
    const pair: Pair = { name, isAcknowledged: false, status: undefined, timesTaken: 0 };
    pairs.set(name, pair);
    return pair;
  };
  for (const { key, recipients, acknowledgedIds } of requests)
    if (acknowledgedIds.length > 0)
      for (const recipient of recipients) pairOf(key, recipient).isAcknowledged = true;
  for (const { id, recipients } of messages)
    for (const { email, status } of recipients) pairOf(unitOf(id), email).status = status;
  for (const { messageId, recipient } of taken)
    pairOf(unitOf(messageId), recipient).timesTaken += 1;
  return [...pairs.values()];
}

function isLost({ status, timesTaken }: Pair): boolean {
  const end = status === undefined ? undefined : ends[status];
  return timesTaken === 0 && (end === undefined || end === 'sent');
}

/** A message that was stored although its client got no answer is in order; a mail that nobody has a record of is not. */
function findContradiction({ name, isAcknowledged, status, timesTaken }: Pair): string[] {
  if (status === undefined)
    return [
      isAcknowledged
        ? `${name} was acknowledged, and there is no record`
        : `${name} was taken by a provider, and nobody asked for it`,
    ];
  const end = ends[status];
  if (end === undefined) return [`${name} is still ${status}`];
  if (end === 'sent' && timesTaken === 0) return [`${name} is ${status}, and no provider took it`];
  if (end !== 'sent' && end !== 'unknown' && timesTaken > 0)
    return [`${name} is ${status}, and a provider took it`];
  return [];
}

/** API and tables must say the same, and the message what its recipients say. */
function findMessageProblems({ messages }: Evidence): string[] {
  return messages.flatMap(({ id, status, recipients, storedStatuses }) => {
    const shown = recipients.map((recipient) => recipient.status).sort();
    const stored = [...storedStatuses].sort();
    const problems: string[] = [];
    if (shown.join() !== stored.join())
      problems.push(`${id}: the API shows ${shown.join()}, the tables have ${stored.join()}`);
    const found = new Set(shown.map((name) => ends[name]));
    const expected = PRECEDENCE.find((end) => found.has(end));
    if (status !== expected)
      problems.push(`${id} is ${status}, and its recipients make it ${expected ?? 'open'}`);
    return problems;
  });
}

/** One key is one message. */
function findKeyProblems({ requests, messages }: Evidence): string[] {
  const known = new Set(requests.map(({ key }) => key));
  const byKey = Map.groupBy(messages, ({ requestKey }) => requestKey);
  const strangers = messages
    .filter(({ requestKey }) => requestKey === null || !known.has(requestKey))
    .map(({ id, requestKey }) => `${id} was asked for by nobody (key ${requestKey ?? 'absent'})`);
  const several = requests.flatMap(({ key, acknowledgedIds }) => {
    const ids = new Set([
      ...acknowledgedIds,
      ...(byKey.get(key) ?? []).map((message) => message.id),
    ]);
    return ids.size > 1 ? [`${key} became ${ids.size} messages: ${[...ids].join(', ')}`] : [];
  });
  return [...strangers, ...several];
}

/** Each call that a provider took was recorded before, none is left open, and none is recorded as the opposite. */
function findCallProblems({ messages, taken }: Evidence): string[] {
  const takenCalls = new Set(taken.map(({ callId }) => callId));
  const calls = new Map(
    messages.flatMap((message) => message.calls).map((call) => [call.id, call]),
  );
  const unrecorded = [...takenCalls]
    .filter((id) => id === null || !calls.has(id))
    .map((id) => `call ${id ?? 'without an id'} was taken, and there is no record of it`);
  const wrong = [...calls.values()].flatMap(({ id, state }) => {
    if (state === 'claimed') return [`call ${id} has no outcome`];
    if (state === 'refused' && takenCalls.has(id))
      return [`call ${id} is recorded as refused, and the provider took it`];
    if (state === 'accepted' && !takenCalls.has(id))
      return [`call ${id} is recorded as accepted, and the provider has nothing`];
    return [];
  });
  return [...unrecorded, ...wrong];
}
