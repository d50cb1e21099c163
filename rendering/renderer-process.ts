import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { KnownSources } from './process/known-sources.ts';
import type { Job, ProcessMessage, RenderLimits } from './process/protocol.ts';

export interface ProcessEvents {
  onMessage: (message: ProcessMessage) => void;
  /** `why` is for the log: exit code or signal, and the last words on standard error. */
  onExit: (why: string) => void;
}

const MAIN = fileURLToPath(new URL('./process/main.ts', import.meta.url));
const LAST_WORDS_LENGTH = 5_000;
const EXIT_WITHIN_MS = 1_000;

/** The folders that the process may read: its own code, and Nunjucks with what that requires. */
function readableFolders(): string[] {
  const require = createRequire(import.meta.url);
  const nunjucks = dirname(require.resolve('nunjucks/package.json'));
  return [
    dirname(MAIN),
    nunjucks,
    ...['..', '../..'].map((up) => `${dirname(MAIN)}/${up}/package.json`),
  ];
}

/** One renderer process. Its environment is empty, and Node denies it files, processes and code from texts. */
export class RendererProcess {
  readonly #child: ChildProcess;
  readonly #sources = new KnownSources();
  readonly #toSend: Job[] = [];
  #lastWords = '';

  constructor(threads: number, limits: RenderLimits, events: ProcessEvents) {
    this.#child = spawn(
      process.execPath,
      [
        '--permission',
        '--allow-worker',
        ...readableFolders().map((folder) => `--allow-fs-read=${folder}`),
        '--disallow-code-generation-from-strings',
        '--no-warnings',
        MAIN,
        JSON.stringify([threads, limits]),
      ],
      { env: {}, stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' },
    );
    this.#child.stderr?.on('data', (words: Buffer) => {
      this.#lastWords = (this.#lastWords + words.toString()).slice(-LAST_WORDS_LENGTH);
    });
    this.#child.on('message', (messages) => {
      for (const message of messages as ProcessMessage[]) events.onMessage(message);
    });
    // A send to a process that has just died; `exit` follows.
    this.#child.on('error', (error) => (this.#lastWords += error.message));
    this.#child.once('exit', (code, signal) => {
      // V8 prints pages of stack around the one line that matters.
      const words =
        /FATAL ERROR.*/.exec(this.#lastWords)?.[0] ?? this.#lastWords.trim().slice(-300);
      events.onExit(`${signal ?? `exit code ${code ?? 'unknown'}`} ${words}`.trim());
    });
  }

  // One message for all jobs of a turn: each write costs more than a small mail.
  send(job: Job): void {
    if (this.#toSend.push({ ...job, task: this.#sources.pack(job.task) }) > 1) return;
    setImmediate(() => {
      const jobs = this.#toSend.splice(0);
      if (this.#child.connected) this.#child.send(jobs);
    });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Returns when it is gone. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    const impatience = setTimeout(() => this.kill(), EXIT_WITHIN_MS);
    if (this.#child.connected)
      this.#child.disconnect(); // the process ends itself then
    else this.kill();
    await exited;
    clearTimeout(impatience);
  }
}
