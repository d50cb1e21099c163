import { setTimeout as sleep } from 'node:timers/promises';
import { childFailure, type Child } from './child.ts';

export interface HealthWait {
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Waits until the check says true. When the child ends, the time is up or the signal aborts, the child is stopped and
 * the error says why, with the end of its log.
 */
export async function waitUntilHealthy(
  child: Child,
  check: () => Promise<boolean>,
  { timeoutMs, signal }: HealthWait,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (child.hasExited())
        throw new Error(childFailure(child.name, child.logFile, await child.exited));
      if (await check()) return;
      if (performance.now() > until) {
        const what = `was not healthy after ${timeoutMs / 1_000} s`;
        throw new Error(childFailure(child.name, child.logFile, what));
      }
      await sleep(25);
    }
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Whether the address answers with 2xx (or, if asked, anything below 500) now. */
export async function isHttpHealthy(url: string, anyAnswer = false): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000), redirect: 'manual' });
    await response.body?.cancel();
    return anyAnswer ? response.status < 500 : response.ok;
  } catch {
    return false;
  }
}
