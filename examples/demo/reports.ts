import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { RunningStack } from './running-stack.ts';

const ANSWER_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 250;

/** One run of the demo, by the provider that took the mail. */
export const COUNTS_SQL = `
  SELECT provider, uniqExact(message_id) AS messages,
    countIf(type = 'attempt_accepted') AS sent, countIf(type = 'delivered') AS delivered,
    countIf(type = 'bounced') AS bounced, countIf(type = 'opened') AS opened, countIf(type = 'clicked') AS clicked
  FROM message_events WHERE has(tags, {tag:String}) AND provider != ''
  GROUP BY provider ORDER BY provider FORMAT JSONEachRow`;

const countsSchema = z.object({
  provider: z.string(),
  messages: z.coerce.number(),
  sent: z.coerce.number(),
  delivered: z.coerce.number(),
  bounced: z.coerce.number(),
  opened: z.coerce.number(),
  clicked: z.coerce.number(),
});
export type Counts = z.infer<typeof countsSchema>;

/** Asks ClickHouse over HTTP, again and again until the answer is as expected: it is a copy that follows within seconds. */
export async function countInClickHouse(
  stack: RunningStack,
  tag: string,
  isComplete: (counts: Counts[]) => boolean,
  withinMs: number,
): Promise<{ counts: Counts[]; ms: number }> {
  const from = performance.now();
  for (;;) {
    const counts = await ask(stack, tag);
    const ms = performance.now() - from;
    if (isComplete(counts) || ms > withinMs) return { counts, ms };
    await sleep(LOOK_EVERY_MS);
  }
}

async function ask(stack: RunningStack, tag: string): Promise<Counts[]> {
  const url = new URL(stack.clickhouseUrl);
  const login = Buffer.from(`${url.username}:${url.password}`).toString('base64');
  const headers = url.username === '' ? {} : { authorization: `Basic ${login}` };
  url.username = url.password = ''; // fetch refuses them in a URL
  url.searchParams.set('database', stack.clickhouseDatabase);
  url.searchParams.set('param_tag', tag);
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: COUNTS_SQL,
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`ClickHouse answered ${response.status}: ${text}`);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => countsSchema.parse(JSON.parse(line)));
}
