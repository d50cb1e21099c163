import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { logTail, rotate } from './log-file.ts';
import { processIdentity } from './process-identity.ts';
import { endProcess, removeRecord, writeRecord, type RunRecord } from './run-records.ts';

const GUARD = fileURLToPath(new URL('guard.mjs', import.meta.url));
const WATCH_PARENT = new URL('exit-with-parent.mjs', import.meta.url).href;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface ChildSpec {
  /** Name of the log file, the record and the sentences about it. */
  name: string;
  /** A Node program of ours (path in the project), or another program, which then runs under a guard. */
  program: { entry: string } | { command: string; args: string[]; user?: ProgramUser };
  environment?: Record<string, string | undefined>;
  /** Folder of `<name>.log`; the log of the run before is kept as `<name>.log.1`. */
  logDir: string;
  /** Folder of the records by which a later start finds what was left over; none in tests. */
  runDir?: string;
  stopSignal?: RunRecord['stopSignal'];
  /** Time between the stop signal and SIGKILL. */
  graceMs: number;
}
export interface ProgramUser {
  uid: number;
  gid: number;
}

export interface Child {
  name: string;
  /** Of the program itself, not of its guard. */
  pid: number;
  logFile: string;
  /** Settles when it is gone: "exited with code 1", "was ended by SIGKILL". */
  exited: Promise<string>;
  hasExited: () => boolean;
  /** Asks, waits `graceMs`, then kills. Resolves when nothing of it is left. */
  stop: () => Promise<void>;
}

/** Starts a process in a group of its own, so that Ctrl-C in a terminal reaches only us, who stop it in order. */
export async function startChild(spec: ChildSpec): Promise<Child> {
  const logFile = `${spec.logDir}/${spec.name}.log`;
  const stopSignal = spec.stopSignal ?? 'SIGTERM';
  const process_ = launch(spec, logFile, stopSignal);
  let exit: string | undefined;
  const exited = new Promise<string>((resolve) => {
    const end = (text: string) => resolve((exit ??= text));
    process_.on('error', (error) => end(`could not be started: ${error.message}`));
    process_.on('exit', (code, signal) =>
      end(signal === null ? `exited with code ${code ?? '?'}` : `was ended by ${signal}`),
    );
  });
  const pid = 'entry' in spec.program ? process_.pid : await pidFromGuard(process_, exited);
  const identity = pid === undefined ? undefined : processIdentity(pid);
  if (pid === undefined || identity === undefined) {
    process_.kill('SIGKILL');
    throw new Error(childFailure(spec.name, logFile, await exited));
  }
  const record = { name: spec.name, pid, identity, stopSignal, graceMs: spec.graceMs };
  if (spec.runDir !== undefined) writeRecord(spec.runDir, record);

  let stopped: Promise<void> | undefined;
  const stop = async () => {
    if (exit === undefined) {
      process_.kill('SIGTERM'); // a guard passes it on as the program's own stop signal
      await Promise.race([exited, sleep(spec.graceMs + 1_000, undefined, { ref: false })]);
    }
    await endProcess(record); // what outlived its guard or its grace
    if (exit === undefined) process_.kill('SIGKILL');
    await exited;
    if (spec.runDir !== undefined) removeRecord(spec.runDir, spec.name);
  };
  return {
    name: spec.name,
    pid,
    logFile,
    exited,
    hasExited: () => exit !== undefined,
    stop: () => (stopped ??= stop()),
  };
}

function launch(spec: ChildSpec, logFile: string, stopSignal: NodeJS.Signals): ChildProcess {
  rotate(logFile);
  const log = openSync(logFile, 'a');
  try {
    const { program } = spec;
    if ('entry' in program) {
      return spawn(process.execPath, ['--import', WATCH_PARENT, program.entry], {
        cwd: ROOT,
        env: { ...process.env, ...spec.environment, EXIT_WITH_PARENT: '1' },
        stdio: ['pipe', log, log],
        detached: true,
      });
    }
    const { command, args, user } = program;
    const order = { command, args, ...user, stopSignal, graceMs: spec.graceMs };
    return spawn(process.execPath, [GUARD, JSON.stringify(order)], {
      env: { ...process.env, ...spec.environment },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

const pidMessage = z.object({ pid: z.number().int().positive() });

async function pidFromGuard(guard: ChildProcess, exited: Promise<string>) {
  const message = await Promise.race([
    new Promise<unknown>((resolve) => guard.once('message', resolve)),
    exited,
  ]);
  return pidMessage.safeParse(message).data?.pid;
}

/** What happened to a child, with the end of its log. */
export function childFailure(name: string, logFile: string, what: string): string {
  const tail = logTail(logFile);
  const shown = tail === '' ? 'Its log is empty.' : `The end of ${logFile}:\n${tail}`;
  return `${name} ${what}. ${shown}`;
}
