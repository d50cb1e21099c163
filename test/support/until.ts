import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer pleases; fails with the last answer. */
export async function until<T>(
  ask: () => Promise<T>,
  pleases: (answer: T) => boolean,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (pleases(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`not within ${withinMs} ms; last: ${JSON.stringify(answer)}`);
    await sleep(50);
  }
}
