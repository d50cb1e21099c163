import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { RunningStack } from './running-stack.ts';

const ANSWER_WITHIN_MS = 5_000;

/** Lets the sandbox take the next mails to such an address at once, and answer only so much later. */
export async function answerLate(
  { sandboxUrl }: RunningStack,
  fault: { recipient: string; latencyMs: number; times: number },
): Promise<void> {
  const { recipient, latencyMs, times } = fault;
  const response = await fetch(`${sandboxUrl}/sandbox/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ match: { recipient }, times, then: { latencyMs } }),
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  if (!response.ok)
    throw new Error(`The sandbox answered ${response.status}: ${await response.text()}`);
}

const lineSchema = z.object({ messageId: z.string().nullable(), at: z.string() });

/** How often the sandbox's providers took this message; its file is written before they answer. */
export function countAcceptances({ acceptanceFile }: RunningStack, messageId: string): number {
  return readFileSync(acceptanceFile, 'utf8')
    .split('\n')
    .slice(0, -1) // what follows the last line break is being written
    .map((line) => lineSchema.parse(JSON.parse(line)))
    .filter((line) => line.messageId === messageId).length;
}
