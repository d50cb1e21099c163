import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.ts';

/** Work that is looked for again and again. `run` answers how much it found; something found is looked after at once. */
export interface BackgroundTask {
  name: string;
  everyMs: number;
  run: () => Promise<number>;
}

/** Short, so that what waited goes on within seconds once PostgreSQL or Temporal is back. */
const LONGEST_PAUSE_MS = 1_000;

/** Runs each task by itself until `stop`, which waits for what is under way. A failing task pauses ever longer. */
export function startBackground(tasks: BackgroundTask[], log: Log): { stop: () => Promise<void> } {
  const stopped = new AbortController();
  const pause = (ms: number) =>
    sleep(ms, undefined, { signal: stopped.signal }).catch(() => undefined);

  async function loop(task: BackgroundTask): Promise<void> {
    let failures = 0;
    while (!stopped.signal.aborted) {
      try {
        const found = await task.run();
        if (failures > 0) log.info({ task: task.name, failures }, 'background task works again');
        failures = 0;
        if (found === 0) await pause(task.everyMs);
      } catch (error) {
        failures += 1;
        if (failures === 1)
          log.warn({ err: error, task: task.name }, 'background task failed; it is tried again');
        await pause(Math.min(task.everyMs * 2 ** failures, LONGEST_PAUSE_MS));
      }
    }
  }

  const loops = tasks.map(loop);
  return {
    stop: async () => {
      stopped.abort();
      await Promise.all(loops);
    },
  };
}
