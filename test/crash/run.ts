import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { seededRandom } from '../../sandbox/random.ts';
import { check, type Verdict } from '../oracle/check.ts';
import { getJson, readEvidence, readTaken, type EvidencePlace } from '../oracle/read-evidence.ts';
import { startClient, type Client, type ClientOptions } from './client.ts';
import type { CrashStack } from './stack.ts';

export interface RunOptions {
  seed: number;
  messages: number;
  provider: 'sendgrid' | 'smtp';
  /** Whether the provider takes our call id for an idempotency key, and the account says so. */
  honours: boolean;
  say: (line: string) => void;
}

interface Promised {
  text: string;
  isKept: boolean;
  /** Seconds, which a busy machine may miss with everything in order. */
  isTime?: true;
}

/** What one run of a case came to. */
export interface RunResult {
  verdict: Verdict;
  /** What must hold beside the oracle's own zeros. */
  promises: Promised[];
  /** Figures worth seeing. */
  measures: Record<string, number | string>;
}

export interface CrashCase {
  summary: string;
  run: (stack: CrashStack, options: RunOptions) => Promise<RunResult>;
}

const SETTLED_WITHIN_MS = 150_000;
const STORIES = 2;
let runs = 0;

/** One run against the stack: its client, its marks, and the end of it. */
export class Run {
  readonly stack: CrashStack;
  readonly options: RunOptions;
  readonly random: () => number;
  readonly place: EvidencePlace;

  private constructor(stack: CrashStack, options: RunOptions) {
    runs += 1;
    this.stack = stack;
    this.options = options;
    this.random = seededRandom(options.seed);
    const tag = `run-${process.pid}-${runs}`;
    this.place = {
      apiUrl: stack.apiUrl,
      apiKey: stack.apiKey,
      databaseUrl: stack.databaseUrl,
      acceptanceFile: join(stack.sandboxDir, 'accepted.jsonl'),
      tag,
      domain: `${tag}.test`,
      since: new Date(),
    };
  }

  /** Sets the provider's ways, and the trouble that it makes by itself: some calls are slow, some are refused. */
  static async begin(stack: CrashStack, options: RunOptions): Promise<Run> {
    const run = new Run(stack, options);
    const { provider, honours, seed } = options;
    await run.#sandbox('PUT', '/settings', { provider, honoursCallId: honours });
    await run.#setHonours();
    await run.#sandbox('DELETE', '/faults');
    const fault = (probability: number, then: object) =>
      run.#sandbox('POST', '/faults', { provider, probability, seed, then });
    // A status means nothing to SMTP but its reply code.
    await fault(0.04, { status: provider === 'smtp' ? 451 : 503 });
    await fault(0.6, { latencyMs: 150 });
    return run;
  }

  startClient(options: Partial<ClientOptions> = {}): Client {
    const { apiUrl, apiKey, tag, domain } = this.place;
    const { messages, provider: account } = this.options;
    // Long enough for several lives of a process.
    const perSecond = Math.min(Math.max(messages / 12, 5), 40);
    const common = { apiUrl, apiKey, tag, domain, messages, account, perSecond };
    return startClient({ ...common, random: this.random, ...options });
  }

  /** Waits until no message of the run is open, starting what was left dead; false when that takes too long. */
  async settles(): Promise<boolean> {
    const deadline = Date.now() + SETTLED_WITHIN_MS;
    for (;;) {
      const open = await this.countOpen();
      if (open === 0) return true;
      if (Date.now() > deadline) return false;
      await sleep(200);
    }
  }

  async countOpen(): Promise<number> {
    const [row] = await this.stack.query<{ open: number }>(
      `SELECT count(*)::int AS open FROM messages m WHERE $1 = ANY (m.tags) AND (
         m.status NOT IN ('sent', 'unknown', 'failed', 'suppressed', 'cancelled')
         OR EXISTS (SELECT 1 FROM provider_calls c WHERE c.tenant_id = m.tenant_id AND c.message_id = m.id
           AND c.state = 'claimed'))`,
      [this.place.tag],
    );
    return row?.open ?? 0;
  }

  /** Calls that were begun and have no outcome: what a kill leaves behind. */
  async countInFlight(): Promise<number> {
    const [row] = await this.stack.query<{ n: number }>(
      `SELECT coalesce(sum(c.recipient_count), 0)::int AS n FROM provider_calls c JOIN messages m
         ON m.tenant_id = c.tenant_id AND m.id = c.message_id
        WHERE $1 = ANY (m.tags) AND (c.state = 'claimed' OR EXISTS (
          SELECT 1 FROM recipients r WHERE r.tenant_id = c.tenant_id AND r.call_id = c.id
            AND r.answer_by IS NOT NULL))`,
      [this.place.tag],
    );
    return row?.n ?? 0;
  }

  /** The oracle's verdict; where something is wrong, the stories of the first messages that are. */
  async judge(client: Client): Promise<Verdict> {
    const evidence = await readEvidence(this.place, client.report.requests);
    const verdict = check(evidence);
    const named = evidence.messages.filter(({ id, requestKey }) =>
      verdict.findings.some(
        (text) => text.includes(id) || (requestKey !== null && text.includes(`${requestKey} `)),
      ),
    );
    for (const { id } of named.slice(0, STORIES)) {
      const story = JSON.stringify(await getJson(this.place, `/v1/messages/${id}/timeline`));
      this.options.say(`${id}: ${story}`);
    }
    return verdict;
  }

  /** Ms from `since` to the first mail that a provider took after it; Infinity when none came. */
  async firstMailAfter(since: number): Promise<number> {
    const taken = await readTaken(this.place);
    const times = taken.map(({ at }) => Date.parse(at)).filter((at) => at > since);
    return Math.min(...times) - since;
  }

  /** Ms from `since` until a provider took the message; Infinity after half a minute. */
  async timeToProvider(messageId: string, since: number): Promise<number> {
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      const mail = (await readTaken(this.place)).find((line) => line.messageId === messageId);
      if (mail) return Date.parse(mail.at) - since;
      await sleep(50);
    }
    return Infinity;
  }

  /** Unknown recipients whose message does not say so openly: status, and an outcome in the timeline. */
  async countUnlabelled(): Promise<number> {
    const page = unknownSchema.parse(
      await getJson(
        this.place,
        `/v1/messages?limit=200&recipientStatus=unknown&tag=${this.place.tag}`,
      ),
    );
    let unlabelled = 0;
    for (const { id } of page.data) {
      const { entries } = timelineSchema.parse(
        await getJson(this.place, `/v1/messages/${id}/timeline`),
      );
      if (!entries.some(({ outcome }) => outcome?.outcome === 'unknown')) unlabelled += 1;
    }
    return unlabelled;
  }

  async #setHonours(): Promise<void> {
    const { apiUrl, apiKey } = this.place;
    const { data } = accountsSchema.parse(await getJson(this.place, '/v1/provider-accounts'));
    const account = data.find(({ name }) => name === this.options.provider);
    if (!account) throw new Error(`no account ${this.options.provider}`);
    const response = await fetch(`${apiUrl}/v1/provider-accounts/${account.id}`, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'if-match': account.etag,
      },
      body: JSON.stringify({ honoursCallId: this.options.honours }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${account.name}: ${await response.text()}`);
  }

  async #sandbox(method: string, path: string, body?: object): Promise<void> {
    const response = await fetch(`${this.stack.sandboxUrl}/sandbox${path}`, {
      method,
      ...(body && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`sandbox ${path}: ${await response.text()}`);
  }
}

const unknownSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
const timelineSchema = z.object({
  entries: z.array(z.object({ outcome: z.object({ outcome: z.string() }).optional() })),
});
const accountsSchema = z.object({
  data: z.array(z.object({ id: z.string(), name: z.string(), etag: z.string() })),
});

/** What every case promises. */
export function zeros({ lost, doubled, unexplained }: Verdict): RunResult['promises'] {
  return [
    { text: `lost ${lost}, promised 0`, isKept: lost === 0 },
    { text: `doubled ${doubled}, promised 0`, isKept: doubled === 0 },
    { text: `unexplained ${unexplained}, promised 0`, isKept: unexplained === 0 },
  ];
}
