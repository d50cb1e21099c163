import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isProcess, processIdentity } from './process-identity.ts';

const recordSchema = z.object({
  name: z.string(),
  pid: z.number().int().positive(),
  identity: z.string().min(1),
  stopSignal: z.enum(['SIGTERM', 'SIGINT']),
  graceMs: z.number(),
  /** A supervisor that has begun to stop everything. */
  isStopping: z.boolean().optional(),
});
// An orphan's work is lost to nobody: everything survives SIGKILL. The person at the terminal waits.
const LEFTOVER_GRACE_MS = 5_000;

/** A process that we started, with the proof that it is still the same one. */
export type RunRecord = z.infer<typeof recordSchema>;

export function writeRecord(runDir: string, record: RunRecord): void {
  mkdirSync(runDir, { recursive: true });
  const temporary = join(runDir, `${record.name}.${process.pid}.tmp`);
  writeFileSync(temporary, JSON.stringify(record));
  renameSync(temporary, fileOf(runDir, record.name));
}

export function removeRecord(runDir: string, name: string): void {
  rmSync(fileOf(runDir, name), { force: true });
}

export function findRecord(runDir: string, name: string): RunRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(fileOf(runDir, name), 'utf8')));
  } catch {
    return undefined; // none, or torn by a crash: then the process it named is not provably ours
  }
}

function fileOf(runDir: string, name: string): string {
  return join(runDir, `${name}.json`);
}

/** Ends what an earlier supervisor left behind; names what it ended. Touches only processes that are provably ours. */
export async function endLeftovers(runDir: string): Promise<string[]> {
  mkdirSync(runDir, { recursive: true });
  const names = readdirSync(runDir)
    .filter((file) => file.endsWith('.json') && file !== `${LOCK}.json`)
    .map((file) => file.slice(0, -'.json'.length));
  const records = names.flatMap((name) => findRecord(runDir, name) ?? []);
  const alive = records.filter((record) => isProcess(record.pid, record.identity));
  await Promise.all(
    alive.map((record) =>
      endProcess({ ...record, graceMs: Math.min(record.graceMs, LEFTOVER_GRACE_MS) }),
    ),
  );
  for (const name of names) removeRecord(runDir, name);
  return alive.map((record) => `${record.name} (pid ${record.pid})`);
}

/** Stop signal, grace, SIGKILL. Returns when the process is gone, or was not ours any more. */
export async function endProcess(record: RunRecord): Promise<void> {
  const isAlive = () => isProcess(record.pid, record.identity);
  if (!isAlive()) return;
  signal(record.pid, record.stopSignal);
  for (const until = Date.now() + record.graceMs; isAlive() && Date.now() < until;) await sleep(20);
  if (!isAlive()) return;
  signal(-record.pid, 'SIGKILL'); // Node children lead a group: their own children go with them
  signal(record.pid, 'SIGKILL');
  for (const until = Date.now() + 5_000; isAlive() && Date.now() < until;) await sleep(20);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone meanwhile, or it leads no group
  }
}

const LOCK = 'supervisor';

/**
 * Makes this process the only supervisor of the folder, unless another one is. Returns the record of the holder: our
 * own pid means that we have it. `link` fails if the name exists, so of two that start at once only one gets it.
 */
export function takeLock(runDir: string): RunRecord {
  const own = ownRecord();
  mkdirSync(runDir, { recursive: true });
  const temporary = join(runDir, `${LOCK}.${process.pid}.tmp`);
  writeFileSync(temporary, JSON.stringify(own));
  try {
    for (;;) {
      try {
        linkSync(temporary, fileOf(runDir, LOCK));
        return own;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
      const holder = runningSupervisor(runDir);
      if (holder !== undefined) return holder;
      removeRecord(runDir, LOCK);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

function ownRecord(): RunRecord {
  const identity = processIdentity(process.pid);
  if (identity === undefined) throw new Error('This system does not tell when a process started.');
  return { name: LOCK, pid: process.pid, identity, stopSignal: 'SIGTERM', graceMs: 60_000 };
}

export function releaseLock(runDir: string): void {
  removeRecord(runDir, LOCK);
}

/** The supervisor that holds the folder now. */
export function runningSupervisor(runDir: string): RunRecord | undefined {
  const record = findRecord(runDir, LOCK);
  return record !== undefined && isProcess(record.pid, record.identity) ? record : undefined;
}
