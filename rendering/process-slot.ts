import type { Log } from '../runtime/log.ts';
import type { PartName, TemplateError } from './renderer.ts';
import type { Answer, ProcessMessage, RenderLimits, Task } from './process/protocol.ts';
import { RendererProcess } from './renderer-process.ts';

export interface PendingJob {
  readonly id: number;
  readonly task: Task;
  /** Called once; later answers are ignored. */
  readonly settle: (answer: Answer) => void;
  isSettled: boolean;
  /** The part that it is at, known while it runs alone. */
  part?: PartName;
}

export interface SlotOptions {
  threads: number;
  limits: RenderLimits;
  log: Log;
  /** There is room for jobs. */
  onRoom: () => void;
}

/** Jobs in a process per thread: one runs, the others wait, so that a thread never waits for the parent. */
const JOBS_PER_THREAD = 16;
/** A thread gives a job up after that many CPU limits of wall time; a process silent for longer is stuck as a whole. */
const SILENCE_FACTOR = 8;
const SILENCE_MARGIN_MS = 1_000;
const FIRST_RESTART_DELAY_MS = 20;
const LONGEST_RESTART_DELAY_MS = 5_000;

/**
 * The place of one renderer process, with a new process whenever one dies.
 *
 * Nobody knows which of several jobs killed a process. So all that were in it become suspects: the next process first
 * gets them one at a time, and only a job that kills its process alone is answered `template_resource`.
 */
export class ProcessSlot {
  readonly #options: SlotOptions;
  readonly #inFlight = new Map<number, PendingJob>();
  #suspects: PendingJob[] = [];
  #solo: PendingJob | undefined;
  #process: RendererProcess | undefined;
  #isReady = false;
  #isClosed = false;
  #failedStarts = 0;
  #watchdog: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#start();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** How many jobs it takes now. */
  get room(): number {
    if (!this.#isReady || this.#solo || this.#suspects.length > 0) return 0;
    return this.#options.threads * JOBS_PER_THREAD - this.#inFlight.size;
  }

  send(job: PendingJob): void {
    this.#inFlight.set(job.id, job);
    if (this.#inFlight.size === 1) this.#watch();
    this.#process?.send({ id: job.id, task: job.task, isSolo: job === this.#solo });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    clearTimeout(this.#watchdog);
    await this.#process?.close();
  }

  #start(): void {
    const startedMs = performance.now();
    this.#process = new RendererProcess(this.#options.threads, this.#options.limits, {
      onMessage: (message) => this.#hear(message, startedMs),
      onExit: (why) => this.#onExit(why),
    });
  }

  #hear(message: ProcessMessage, startedMs: number): void {
    this.#watch();
    if (message.type === 'ready') {
      this.#isReady = true;
      this.#failedStarts = 0;
      const startMs = Math.round(performance.now() - startedMs);
      this.#options.log.debug({ startMs }, 'renderer process ready');
    } else if (message.type === 'ending') {
      this.#isReady = false;
      return;
    } else {
      const job = this.#inFlight.get(message.id);
      if (!job) return;
      if (message.type === 'part') {
        job.part = message.part;
        return;
      }
      this.#inFlight.delete(job.id);
      this.#watch(); // one that has nothing to do may be silent
      if (this.#solo === job) this.#solo = undefined;
      if (message.type === 'answer') job.settle(message.answer);
      else this.#suspects.push(job);
    }
    this.#sendNext();
  }

  #sendNext(): void {
    while (this.#isReady && !this.#solo && this.#inFlight.size === 0) {
      const suspect = this.#suspects.shift();
      if (!suspect) break;
      if (suspect.isSettled) continue; // its deadline has passed
      this.#solo = suspect;
      this.send(suspect);
    }
    if (this.room > 0) this.#options.onRoom();
  }

  #onExit(why: string): void {
    const wasReady = this.#isReady;
    this.#isReady = false;
    clearTimeout(this.#watchdog);
    if (this.#isClosed) return;
    const culprit = this.#solo;
    this.#solo = undefined;
    const suspects = [...this.#inFlight.values()].filter((job) => job !== culprit);
    this.#suspects.unshift(...suspects);
    this.#inFlight.clear();
    culprit?.settle({ ok: false, error: this.#memoryError(culprit) });
    const fields = { why, suspects: suspects.length, foundCulprit: culprit !== undefined };
    this.#options.log.warn(fields, 'a renderer process died and is replaced');
    if (!wasReady) this.#failedStarts += 1;
    const delayMs = FIRST_RESTART_DELAY_MS * 2 ** Math.min(this.#failedStarts, 10);
    this.#restart = setTimeout(
      () => this.#start(),
      this.#failedStarts === 0 ? 0 : Math.min(delayMs, LONGEST_RESTART_DELAY_MS),
    );
  }

  // The answer of the process itself (a thread over its limit) says more; this is for what takes all of Node with it.
  #memoryError(job: PendingJob): TemplateError {
    const part = job.part ?? 'subject';
    const { memoryMb } = this.#options.limits;
    const detail = `Rendering the ${part} takes more than ${memoryMb} MB of memory.`;
    return { code: 'template_resource', part, limit: 'memory', detail };
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    if (this.#inFlight.size === 0) return;
    this.#watchdog = setTimeout(
      () => {
        this.#solo = undefined; // silence proves nothing against it
        this.#process?.kill();
      },
      this.#options.limits.cpuMs * SILENCE_FACTOR + SILENCE_MARGIN_MS,
    );
  }
}
