import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { TemplateError } from '../renderer.ts';
import { partNames, shared, sharedBytes } from './protocol.ts';
import type { Job, ProcessMessage, RenderLimits } from './protocol.ts';
import type { ThreadData } from './thread.ts';

export interface ThreadEvents {
  onMessage: (message: ProcessMessage) => void;
  /** Ready for jobs. */
  onIdle: (thread: WatchedThread) => void;
  /** Gone for good, with these jobs not done through no fault of theirs; another thread takes its place. */
  onGone: (thread: WatchedThread, undone: Job[]) => void;
  /** Inside native code that cannot be interrupted: only the end of the process ends it. */
  onUnstoppable: () => void;
}

/** Wall time, in CPU limits, after which a job is given up although it used too little CPU to be blamed. */
const WALL_FACTOR = 8;
/** A thread that does not tell its CPU time by then is inside native code, or gets no CPU at all. */
const ANSWER_WITHIN_MS = 250;
const SHORTEST_CHECK_MS = 5;
const TERMINATE_WITHIN_MS = 500;

/**
 * A worker thread that does some jobs one after the other and is ended when one of them uses too much.
 *
 * What counts is the thread's own CPU time: on a busy machine a harmless mail may take seconds of wall time. When the
 * wall budget is up, the thread's CPU time is asked for from outside (it answers in a stuck loop, too) and compared
 * with what the thread noted when it took the job. Where that cannot be told, nobody is blamed: the job is given back
 * and done again alone.
 */
export class WatchedThread {
  readonly #worker: Worker;
  readonly #limits: RenderLimits;
  readonly #events: ThreadEvents;
  readonly #shared = new Float64Array(new SharedArrayBuffer(sharedBytes));
  readonly #timer: NodeJS.Timeout;
  #recheck: NodeJS.Timeout | undefined;
  #jobs: Job[] = [];
  readonly #unanswered = new Set<number>();
  /** The job that was seen at work, and since when. */
  #seen: Job | undefined;
  #seenSinceMs = 0;
  #processCpuAtStart = process.cpuUsage();
  #isReady = false;
  #isGone = false;

  constructor(limits: RenderLimits, events: ThreadEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: {
        shared: this.#shared.buffer,
        outputBytes: limits.outputBytes,
      } satisfies ThreadData,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: limits.memoryMb, maxYoungGenerationSizeMb: 8 },
    });
    // One timer for all jobs: `start` refreshes it, so it fires only among jobs that are still there after the budget.
    this.#timer = setTimeout(() => void this.#checkCpu(), limits.cpuMs);
    this.#worker.on('message', (messages: ProcessMessage[]) => this.#hear(messages));
    this.#worker.on('error', (error: NodeJS.ErrnoException) => this.#onExit(error));
    this.#worker.on('exit', () => this.#onExit());
  }

  start(jobs: Job[]): void {
    this.#jobs = jobs;
    for (const job of jobs) this.#unanswered.add(job.id);
    this.#shared[shared.cpuAtStartMicros] = Number.NaN;
    this.#shared[shared.job] = 0;
    this.#seen = jobs[0];
    this.#seenSinceMs = performance.now();
    this.#processCpuAtStart = process.cpuUsage();
    clearTimeout(this.#recheck);
    this.#timer.refresh();
    this.#worker.postMessage(jobs);
  }

  #hear(messages: ProcessMessage[]): void {
    if (this.#isGone) return;
    for (const message of messages) {
      if (message.type === 'ready') this.#isReady = true;
      else this.#events.onMessage(message);
      if (message.type === 'answer') this.#unanswered.delete(message.id);
    }
    if (this.#isReady && this.#unanswered.size === 0) this.#events.onIdle(this);
  }

  #atWork(): Job | undefined {
    const job = this.#jobs[this.#shared[shared.job] ?? 0];
    return job && this.#unanswered.has(job.id) ? job : undefined;
  }

  async #checkCpu(): Promise<void> {
    const job = this.#isGone ? undefined : this.#atWork();
    if (!job) return;
    if (job !== this.#seen) this.#seenSinceMs = performance.now();
    this.#seen = job;
    const { cpuMs } = this.#limits;
    const usedMs = await this.#cpuUsedMs(job);
    // Meanwhile it may have ended, or all of its lot.
    if (this.#isGone || !this.#jobs.includes(job)) return;
    const wallMs = performance.now() - this.#seenSinceMs;
    if (this.#atWork() !== job) this.#checkAgain(cpuMs);
    else if (usedMs !== undefined && usedMs >= cpuMs) this.#give(job, this.#resourceError('cpu'));
    else if (usedMs === undefined || wallMs >= cpuMs * WALL_FACTOR) this.#give(job, undefined);
    else this.#checkAgain(cpuMs - usedMs);
  }

  #checkAgain(inMs: number): void {
    this.#recheck = setTimeout(() => void this.#checkCpu(), Math.max(SHORTEST_CHECK_MS, inMs));
  }

  /** CPU time of the job so far; undefined if it cannot be told. */
  async #cpuUsedMs(job: Job): Promise<number | undefined> {
    const startMicros = this.#shared[shared.cpuAtStartMicros] ?? Number.NaN;
    if (Number.isNaN(startMicros)) return 0; // not taken yet
    const unanswered = delay(ANSWER_WITHIN_MS, undefined, { ref: false });
    const now = await Promise.race([this.#worker.cpuUsage(), unanswered]).catch(() => undefined);
    if (now) return (now.user + now.system - startMicros) / 1000;
    // Inside one long native call. Alone in the process, the process's CPU time is the job's.
    if (!job.isSolo) return undefined;
    const { user, system } = process.cpuUsage(this.#processCpuAtStart);
    return (user + system) / 1000;
  }

  /** Answers the job (undefined: to be done again, alone) and ends the thread. */
  #give(job: Job, error: TemplateError | undefined): void {
    const { id } = job;
    this.#events.onMessage(
      error ? { type: 'answer', id, answer: { ok: false, error } } : { type: 'again', id },
    );
    this.#unanswered.delete(id);
    this.#leave();
    const unstoppable = setTimeout(this.#events.onUnstoppable, TERMINATE_WITHIN_MS);
    void this.#worker.terminate().finally(() => {
      clearTimeout(unstoppable);
    });
  }

  #onExit(error?: NodeJS.ErrnoException): void {
    if (this.#isGone) return;
    if (!this.#isReady) throw error ?? new Error('A renderer thread ended before it was ready.');
    const job = this.#atWork();
    if (job) {
      const isMemory = error?.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.#give(job, isMemory ? this.#resourceError('memory') : undefined);
    } else this.#leave();
  }

  #leave(): void {
    this.#isGone = true;
    clearTimeout(this.#timer);
    const undone = this.#jobs.filter(({ id }) => this.#unanswered.has(id));
    this.#events.onGone(this, undone);
  }

  #resourceError(limit: 'cpu' | 'memory'): TemplateError {
    const part = partNames[this.#shared[shared.part] ?? 0] ?? 'subject';
    const { cpuMs, memoryMb } = this.#limits;
    const detail = {
      cpu: `Rendering the ${part} takes more than ${cpuMs} ms of CPU time.`,
      memory: `Rendering the ${part} takes more than ${memoryMb} MB of memory.`,
    }[limit];
    return { code: 'template_resource', part, limit, detail };
  }
}
