import { PlatformError } from '../domain/platform-error.ts';
import type { Log } from '../runtime/log.ts';
import type { Answer, RenderedMail, Task } from './process/protocol.ts';
import { ProcessSlot, type PendingJob } from './process-slot.ts';
import type { Renderer, TemplateError } from './renderer.ts';

export interface RendererOptions {
  log: Log;
  processes?: number;
  threadsPerProcess?: number;
  /** CPU time of one mail. */
  cpuLimitMs?: number;
  /** V8 heap of one thread. */
  memoryLimitMb?: number;
  outputLimitBytes?: number;
  /** Jobs that wait for a process; more are refused as `unavailable`. */
  queueLimit?: number;
  /** From call to answer, waiting included. */
  deadlineMs?: number;
}

const START_WITHIN_MS = 15_000;

/** Starts the renderer processes; resolves when all are ready, throws `unavailable` if they do not come up. */
export async function createRenderer(options: RendererOptions): Promise<Renderer> {
  const { processes = 1, threadsPerProcess = 2, queueLimit = 1_000, deadlineMs = 10_000 } = options;
  const limits = {
    cpuMs: options.cpuLimitMs ?? 250,
    memoryMb: options.memoryLimitMb ?? 64,
    outputBytes: options.outputLimitBytes ?? 2_000_000,
  };
  const queue: PendingJob[] = [];
  const open = new Set<() => void>();
  let nextId = 1;
  let isClosed = false;
  let onReady: () => void = () => undefined;

  function dispatch(): void {
    for (;;) {
      const job = queue[0];
      if (!job) return;
      const [roomiest] = slots.toSorted((a, b) => b.room - a.room);
      if (!roomiest || roomiest.room <= 0) return;
      queue.shift();
      if (!job.isSettled) roomiest.send(job);
    }
  }

  const slots = Array.from(
    { length: processes },
    () =>
      new ProcessSlot({
        threads: threadsPerProcess,
        limits,
        log: options.log,
        onRoom: () => {
          onReady();
          dispatch();
        },
      }),
  );

  /** Settles by its deadline, whatever happens to the processes. */
  function run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (isClosed) throw unavailable('The renderer is closed.');
      if (queue.length >= queueLimit) throw unavailable('Too many mails wait to be rendered.');
      const finish = () => {
        job.isSettled = true;
        clearTimeout(deadline);
        open.delete(abandon);
      };
      const job: PendingJob = {
        id: nextId,
        task,
        isSettled: false,
        settle: (answer) => {
          finish();
          resolve(answer);
        },
      };
      const abandon = () => {
        finish();
        reject(unavailable('The renderer was closed.'));
      };
      const deadline = setTimeout(() => {
        finish();
        const index = queue.indexOf(job);
        if (index >= 0) queue.splice(index, 1);
        reject(unavailable(`Not rendered within ${deadlineMs} ms.`));
      }, deadlineMs);
      nextId += 1;
      open.add(abandon);
      queue.push(job);
      dispatch();
    });
  }

  async function close(): Promise<void> {
    isClosed = true;
    for (const abandon of open) abandon();
    await Promise.all(slots.map((slot) => slot.close()));
  }

  const ready = new Promise<boolean>((resolve) => {
    const impatience = setTimeout(() => resolve(false), START_WITHIN_MS);
    onReady = () => {
      if (!slots.every((slot) => slot.isReady)) return;
      clearTimeout(impatience);
      resolve(true);
    };
  });
  if (!(await ready)) {
    await close();
    throw unavailable('The renderer processes do not start.');
  }

  return {
    render: async ({ parts, variables, cacheKey }) => {
      const answer = await run({ kind: 'render', parts, variables: toJson(variables), cacheKey });
      return answer.ok ? { ok: true, ...(answer.value as RenderedMail) } : answer;
    },
    check: async (parts) => {
      const answer = await run({ kind: 'check', parts });
      return answer.ok ? (answer.value as TemplateError[]) : [answer.error];
    },
    variablesUsed: async (parts) => {
      const answer = await run({ kind: 'variables', parts });
      return answer.ok ? (answer.value as string[]) : [];
    },
    close,
  };
}

function unavailable(detail: string): PlatformError {
  return new PlatformError('unavailable', detail);
}

function toJson(variables: Record<string, unknown>): string {
  try {
    return JSON.stringify(variables);
  } catch (cause) {
    throw new PlatformError('invalid', 'The variables are not JSON: a cycle, or too deep.', {
      cause,
    });
  }
}
