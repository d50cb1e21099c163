import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalSettings } from '../runtime/settings.ts';
import { childFailure } from './child.ts';
import {
  foldersOf,
  prepareDataFolder,
  removeRunning,
  ROOT,
  writePrivateFile,
  writeRunning,
} from './data-folder.ts';
import { parts, platformEnvironment, type PartName } from './parts.ts';
import { choosePorts } from './ports.ts';
import { takeRestartRequest } from './restart-request.ts';
import { endLeftovers, releaseLock, takeLock, writeRecord, type RunRecord } from './run-records.ts';
import { readOrMakeSecrets } from './secrets.ts';
import { abortOf, portWishes, type Stack, type Started } from './stack.ts';
import { passwordFileOf, summaryOf } from './summary.ts';

const OTHER_STOPS_WITHIN_MS = 90_000;

export interface Terminal {
  say: (line: string) => void;
  /** Aborts when somebody wants everything to stop; the reason is a sentence. */
  stop: AbortSignal;
}

/** Starts everything, waits until it shall stop or something dies, stops everything. Returns the exit code. */
export async function supervise(settings: LocalSettings, terminal: Terminal): Promise<0 | 1> {
  const folders = foldersOf(settings.LOCAL_DATA_DIR);
  prepareDataFolder(folders.dataDir);
  const secrets = readOrMakeSecrets(folders.dataDir);
  const lock = await becomeSupervisor(folders.runDir, terminal.say);
  try {
    removeRunning(folders.dataDir);
    for (const leftover of await endLeftovers(folders.runDir))
      terminal.say(`Left over from an earlier start, ended now: ${leftover}.`);
    const ports = await choosePorts(portWishes(settings));
    const stop = new AbortController();
    const pass = () => stop.abort(terminal.stop.reason);
    terminal.stop.addEventListener('abort', pass);
    if (terminal.stop.aborted) pass();
    const common = { say: terminal.say, signal: stop.signal, addresses: {} };
    const stack: Stack = { settings, ports, secrets, ...folders, ...common };
    const reason = await runUntilStopped(stack, stop, () => {
      writeRecord(folders.runDir, { ...lock, isStopping: true });
      removeRunning(folders.dataDir);
    });
    return reason === terminal.stop.reason ? 0 : 1;
  } finally {
    releaseLock(folders.runDir);
  }
}

type RunningParts = Map<PartName, Started>;

/** Returns why it stopped: the reason of the abort, or the error of the part that did not start. */
async function runUntilStopped(
  stack: Stack,
  stop: AbortController,
  beforeStopping: () => void,
): Promise<unknown> {
  const running: RunningParts = new Map();
  const restarts = new Set<Promise<void>>();
  const began = performance.now();

  async function watch(name: PartName, started: Started): Promise<void> {
    if (started.child === undefined) return;
    const what = await started.child.exited;
    if (stop.signal.aborted) return;
    if (!takeRestartRequest(stack.runDir, name, started.child.pid)) {
      stop.abort(deathOf(name, started, what));
      return;
    }
    const restart = restartPart(name, stack, running, what).then(
      (next) => void watch(name, next),
      (error: unknown) => stop.abort(error),
    );
    restarts.add(restart);
    await restart.finally(() => restarts.delete(restart));
  }

  try {
    for (const name of partsToStart(stack.settings)) {
      stop.signal.throwIfAborted();
      const started = await startPart(name, stack);
      running.set(name, started);
      void watch(name, started);
    }
    tellPrograms(stack, running);
    announce(stack, performance.now() - began);
    await abortOf(stop.signal);
  } catch (error) {
    stop.abort(error);
  }
  stack.say(`\n${sentenceOf(stop.signal.reason)}`);
  beforeStopping();
  await Promise.all(restarts);
  for (const [name, { child }] of [...running].reverse()) {
    if (child === undefined) continue;
    const start = performance.now();
    await child.stop();
    stack.say(progressLine(parts[name].label, performance.now() - start, 'stopped'));
  }
  return stop.signal.reason;
}

async function restartPart(
  name: PartName,
  stack: Stack,
  running: RunningParts,
  what: string,
): Promise<Started> {
  stack.say(`\n${parts[name].label} ${what}, as announced: starting it again.`);
  await running.get(name)?.child?.stop(); // clears away its record
  const started = await startPart(name, stack);
  running.set(name, started);
  if (!stack.signal.aborted) tellPrograms(stack, running);
  return started;
}

function partsToStart({ LOCAL_ONLY: only }: LocalSettings): PartName[] {
  const all = Object.keys(parts) as PartName[];
  const unknown = only?.find((name) => !(name in parts));
  if (unknown !== undefined)
    throw new Error(`LOCAL_ONLY: there is no part ${unknown}; the parts are ${all.join(', ')}.`);
  return all.filter((name) => only?.includes(name) ?? true);
}

async function startPart(name: PartName, stack: Stack): Promise<Started> {
  const start = performance.now();
  const started = await parts[name].start(stack);
  for (const [key, value] of Object.entries(started.addresses ?? {}))
    if (value !== undefined) stack.addresses[key] = value;
  stack.say(progressLine(parts[name].label, performance.now() - start, started.where));
  return started;
}

function progressLine(label: string, ms: number, what: string): string {
  return `${label.padEnd(24)}${(ms / 1_000).toFixed(2).padStart(6)} s   ${what}`;
}

function deathOf(name: PartName, { child }: Started, what: string): Error {
  const death = childFailure(parts[name].label, child?.logFile ?? '', what);
  return new Error(`${death}\nStopping the rest.`);
}

function sentenceOf(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const cause = reason.cause instanceof Error ? `\n    because: ${reason.cause.message}` : '';
  return `${reason.message}${cause}`;
}

/** For programs: what is where, in `running.json` and in a password file for psql. */
function tellPrograms(stack: Stack, running: RunningParts): void {
  const { addresses, dataDir } = stack;
  const environment = platformEnvironment(stack);
  writePrivateFile(
    join(dataDir, 'pgpass'),
    passwordFileOf([addresses.DATABASE_OWNER_URL, addresses.DATABASE_URL]),
  );
  writeRunning(dataDir, {
    pid: process.pid,
    startedAt: new Date(performance.timeOrigin).toISOString(),
    addresses,
    environment: Object.fromEntries(
      Object.entries(environment).filter((row): row is [string, string] => row[1] !== undefined),
    ),
    parts: Object.fromEntries(
      [...running].flatMap(([name, { child }]) =>
        child === undefined ? [] : [[name, { pid: child.pid, logFile: child.logFile }]],
      ),
    ),
  });
}

/** For people: everything is healthy, and where it is. */
function announce({ say, addresses, dataDir, ports }: Stack, tookMs: number): void {
  say(`\nEverything runs, after ${(tookMs / 1_000).toFixed(1)} s. Ctrl-C stops it.\n`);
  say(summaryOf({ addresses, dataDir, from: ROOT }));
  const moved = Object.values(ports).filter(({ movedFrom }) => movedFrom !== undefined);
  if (moved.length > 0)
    say(
      `\nPorts that were in use: ${moved.map(({ port, movedFrom }) => `${movedFrom ?? ''} → ${port}`).join(', ')}.`,
    );
}

/** The only one of its data folder. One that is just stopping is waited for; one that runs is an error. */
async function becomeSupervisor(runDir: string, say: Terminal['say']): Promise<RunRecord> {
  const until = performance.now() + OTHER_STOPS_WITHIN_MS;
  for (let round = 0; ; round += 1) {
    const holder = takeLock(runDir);
    if (holder.pid === process.pid) return holder;
    // One whose `npm start` was killed needs a moment to notice.
    if (!holder.isStopping && round > 5)
      throw new Error(
        `It runs already (pid ${holder.pid}). Stop it with Ctrl-C where it runs, or \`npm run stop\`.`,
      );
    if (performance.now() > until)
      throw new Error(`An earlier start (pid ${holder.pid}) does not stop.`);
    if (round === 6) say(`An earlier start (pid ${holder.pid}) is still stopping: waiting for it.`);
    await sleep(100);
  }
}
