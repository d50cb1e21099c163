import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { z } from 'zod';
import type { ClientRequest, Evidence, RecordedMessage, TakenMail } from './check.ts';

/** Where the three witnesses are. One run is one tag on its messages and one domain of its recipients. */
export interface EvidencePlace {
  apiUrl: string;
  apiKey: string;
  /** A role that row-level security does not stop. */
  databaseUrl: string;
  acceptanceFile: string;
  tag: string;
  domain: string;
  /** Begin of the run, for the balance. */
  since: Date;
}

const MAX_READINGS = 20;

/** As the tables spell the statuses; kept here by hand, so that a slip in the platform's own table shows. */
const letters: Record<string, string> = {
  p: 'pending',
  s: 'sent',
  e: 'deferred',
  d: 'delivered',
  b: 'bounced',
  r: 'rejected',
  f: 'failed',
  x: 'suppressed',
  c: 'cancelled',
  u: 'unknown',
};

/**
 * What the witnesses say of one moment: an event that comes in while they are asked would make them disagree, so the
 * tables are read before and after, until nothing moved in between.
 */
export async function readEvidence(
  place: EvidencePlace,
  requests: ClientRequest[],
): Promise<Evidence> {
  for (let reading = 1; ; reading += 1) {
    const before = await readTables(place);
    const [shown, taken, balanceUnexplained] = await Promise.all([
      readApi(place),
      readTaken(place),
      readBalance(place),
    ]);
    const stored = await readTables(place);
    if (isDeepStrictEqual(before, stored) || reading === MAX_READINGS)
      return { requests, messages: join(shown, stored), taken, balanceUnexplained };
    await sleep(500);
  }
}

const shownSchema = z.object({
  id: z.string(),
  status: z.string(),
  metadata: z.record(z.string(), z.string()),
  recipients: z.array(z.object({ email: z.string(), status: z.string() })),
  attempts: z.array(z.object({ callId: z.string(), outcome: z.string() })),
});
export type ShownMessage = z.infer<typeof shownSchema>;
const pageSchema = z.object({ data: z.array(shownSchema), nextCursor: z.string().nullable() });

/** Every message of the run, by the API. */
export async function readApi(
  place: Pick<EvidencePlace, 'apiUrl' | 'apiKey' | 'tag'>,
): Promise<ShownMessage[]> {
  const messages: ShownMessage[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = pageSchema.parse(
      await getJson(place, `/v1/messages?limit=200&tag=${encodeURIComponent(place.tag)}${more}`),
    );
    messages.push(...page.data);
    cursor = page.nextCursor;
  }
  return messages;
}

const balanceSchema = z.object({ unexplained: z.number() });

async function readBalance(place: EvidencePlace): Promise<number> {
  const since = encodeURIComponent(place.since.toISOString());
  return balanceSchema.parse(await getJson(place, `/v1/balance?since=${since}`)).unexplained;
}

export async function getJson(
  { apiUrl, apiKey }: Pick<EvidencePlace, 'apiUrl' | 'apiKey'>,
  path: string,
): Promise<unknown> {
  const response = await fetch(apiUrl + path, {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(15_000),
  });
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

interface StoredMessage {
  id: string;
  states: string[];
}

async function readTables({ databaseUrl, tag }: EvidencePlace): Promise<StoredMessage[]> {
  const client = new pg.Client({ connectionString: databaseUrl, query_timeout: 15_000 });
  await client.connect();
  try {
    const { rows } = await client.query<StoredMessage>(
      `SELECT m.id::text, array(SELECT r.state::text FROM recipients r
          WHERE r.tenant_id = m.tenant_id AND r.message_id = m.id ORDER BY r.id) AS states
        FROM messages m WHERE $1 = ANY (m.tags) ORDER BY m.id`,
      [tag],
    );
    return rows;
  } finally {
    await client.end();
  }
}

const takenSchema = z.object({
  at: z.string(),
  messageId: z.string().nullable(),
  callId: z.string().nullable(),
  recipient: z.string(),
});

/** The provider's file: whatever went to the run's domain. */
export async function readTaken({
  acceptanceFile,
  domain,
}: Pick<EvidencePlace, 'acceptanceFile' | 'domain'>): Promise<(TakenMail & { at: string })[]> {
  const text = await readFile(acceptanceFile, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}')) // its last line may be half written
    .map((line) => takenSchema.parse(JSON.parse(line)))
    .filter(({ recipient }) => recipient.toLowerCase().endsWith(`@${domain}`));
}

/** A message that only one of API and tables knows becomes one whose statuses do not agree. */
function join(shown: ShownMessage[], stored: StoredMessage[]): RecordedMessage[] {
  const statesOf = new Map(
    stored.map(({ id, states }) => [
      toPublicMessageId(id),
      states.map((letter) => letters[letter] ?? `letter ${letter}`),
    ]),
  );
  const known = new Set(shown.map(({ id }) => id));
  const hidden = [...statesOf].filter(([id]) => !known.has(id));
  return [
    ...shown.map(({ id, status, metadata, recipients, attempts }) => ({
      id,
      requestKey: metadata['request'] ?? null,
      status,
      recipients,
      storedStatuses: statesOf.get(id) ?? [],
      calls: attempts.map(({ callId, outcome }) => ({ id: callId, state: outcome })),
    })),
    ...hidden.map(([id, storedStatuses]) => ({
      id,
      requestKey: null,
      status: 'not shown',
      recipients: [],
      storedStatuses,
      calls: [],
    })),
  ];
}

/** `msg_` and the 128 bits of the UUID in Crockford's base32, as the contract says. */
export function toPublicMessageId(uuid: string): string {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz';
  const bits = BigInt(`0x${uuid.replaceAll('-', '')}`)
    .toString(2)
    .padStart(130, '0');
  const groups = bits.match(/.{5}/g) ?? [];
  return `msg_${groups.map((group) => digits.charAt(parseInt(group, 2))).join('')}`;
}
