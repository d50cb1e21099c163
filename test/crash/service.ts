import { startChild, type Child } from '../../local/child.ts';
import { isHttpHealthy } from '../../local/health.ts';
import { logTail } from '../../local/log-file.ts';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServiceSpec {
  name: string;
  /** Our own Node program, from the project's folder. */
  entry: string;
  environment: Record<string, string | undefined>;
  healthUrl: string;
  anyAnswer?: boolean;
  logDir: string;
}

const HEALTHY_WITHIN_MS = 30_000;

/**
 * One process of the platform that a run may kill, stop and start again as often as it likes. Each life has a log of
 * its own.
 */
export class Service {
  readonly #spec: ServiceSpec;
  #life = 0;
  #child: Child | undefined;

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
  }

  get isRunning(): boolean {
    return this.#child?.hasExited() === false;
  }

  /** Starts a life, whose settings `extra` may add to; resolves when it is healthy or has ended already. */
  async start(extra: Record<string, string> = {}): Promise<void> {
    if (this.isRunning) throw new Error(`${this.#spec.name} runs already`);
    this.#life += 1;
    const { name, entry, environment, healthUrl, anyAnswer, logDir } = this.#spec;
    const child = await startChild({
      name: `${name}-${this.#life}`,
      program: { entry },
      environment: { ...environment, ...extra },
      logDir,
      graceMs: 0,
    });
    this.#child = child;
    const deadline = Date.now() + HEALTHY_WITHIN_MS;
    while (!child.hasExited() && !(await isHttpHealthy(healthUrl, anyAnswer))) {
      if (Date.now() > deadline) throw new Error(`${name} is not healthy.\n${this.logTail()}`);
      await sleep(20);
    }
    const endedBySelf = child.hasExited() && (await child.exited) !== 'was ended by SIGKILL';
    if (endedBySelf) throw new Error(`${name} ${await child.exited}.\n${this.logTail()}`);
  }

  /** As hard as it gets; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.#child) return;
    this.signal('SIGKILL');
    await this.#child.exited;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child && this.isRunning) process.kill(this.#child.pid, name);
  }

  /** Whether it ended by itself, as a failpoint makes it, within the time. */
  async endsWithin(ms: number): Promise<boolean> {
    const impatience = new AbortController();
    const late = sleep(ms, undefined, { signal: impatience.signal }).catch(() => undefined);
    await Promise.race([this.#child?.exited, late]);
    impatience.abort();
    return !this.isRunning;
  }

  /** Whether a failpoint has stopped it (SIGSTOP): it is alive and answers nobody. */
  async isFrozen(): Promise<boolean> {
    return this.isRunning && !(await isHttpHealthy(this.#spec.healthUrl, true));
  }

  logTail(): string {
    return this.#child === undefined
      ? ''
      : `The end of ${this.#child.logFile}:\n${logTail(this.#child.logFile, 10)}`;
  }
}
