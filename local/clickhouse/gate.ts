import { ClickhouseException } from './clickhouse-exception.ts';

export interface GateLimits {
  /** At the same time. */
  running: number;
  waiting: number;
  waitMs: number;
}

/** Lets a bounded number of pieces of work run, a bounded number wait, for a bounded time, in order of arrival. */
export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Runs the work when there is room. Throws TOO_MANY_SIMULTANEOUS_QUERIES, or ABORTED when the signal fires first. */
  async run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    if (this.#running >= this.#limits.running) await this.#turn(signal);
    else this.#running += 1;
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** A place that becomes free goes to the next in line without being free in between. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#running -= 1;
    else next();
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { running, waiting, waitMs } = this.#limits;
    const tooMany = (what: string) =>
      new ClickhouseException(
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many simultaneous queries: ${running} run at once, ${what}. Try again later.`,
      );
    if (this.#waiting.size >= waiting) throw tooMany(`${waiting} wait already`);
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#waiting.delete(enter);
      };
      const enter = () => {
        leave();
        resolve();
      };
      const fail = (error: Error) => {
        leave();
        reject(error);
      };
      const abort = () => fail(new ClickhouseException('ABORTED', 'The query was given up.'));
      const timer = setTimeout(() => fail(tooMany(`and none ended within ${waitMs} ms`)), waitMs);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.add(enter);
    });
  }
}
