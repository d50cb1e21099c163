import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removePostgresPlace } from './engines/postgres-place.ts';
import { SECRETS_FILE } from './secrets.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Paths of a data folder; LOCAL_DATA_DIR is seen from the project. */
export function foldersOf(setting: string) {
  const dataDir = resolve(ROOT, setting);
  return { dataDir, logDir: join(dataDir, 'logs'), runDir: join(dataDir, 'run') };
}

/** Makes the data folder, or takes one that is ours: `npm run reset` empties it, so it must not be anybody else's. */
export function prepareDataFolder(dataDir: string): void {
  const isNew = !existsSync(dataDir) || readdirSync(dataDir).length === 0;
  if (!isNew && !isOurs(dataDir) && dataDir !== foldersOf('.data').dataDir)
    throw new Error(`LOCAL_DATA_DIR: ${dataDir} holds other files; give it a folder of its own.`);
  mkdirSync(dataDir, { recursive: true });
  // As root, PostgreSQL's user must pass through it; he cannot list it.
  chmodSync(dataDir, userInfo().uid === 0 ? 0o711 : 0o700);
}

/** Empties the folder. The secrets go last, by which the folder is known to be ours. */
export function emptyDataFolder(dataDir: string): void {
  removePostgresPlace(join(dataDir, 'postgres'));
  const names = readdirSync(dataDir).filter((name) => name !== SECRETS_FILE);
  for (const name of [...names, SECRETS_FILE])
    rmSync(join(dataDir, name), { recursive: true, force: true });
}

/** Whether the folder was made by a start. */
export function isOurs(dataDir: string): boolean {
  return existsSync(join(dataDir, SECRETS_FILE));
}

/** `running.json`: what runs, for demos, crash runs and tests. There only while everything is healthy. */
export interface Running {
  /** Of the supervisor. */
  pid: number;
  startedAt: string;
  /** Settings by which a program reaches what runs, DATABASE_OWNER_URL and API_URL among them. */
  addresses: Record<string, string>;
  /** Settings of api and worker, to run another one beside them. */
  environment: Record<string, string>;
  /** Process of each part. */
  parts: Record<string, { pid: number; logFile: string }>;
}

const runningFile = (dataDir: string) => join(dataDir, 'running.json');

export function writeRunning(dataDir: string, running: Running): void {
  writePrivateFile(runningFile(dataDir), `${JSON.stringify(running, null, 2)}\n`);
}

export function removeRunning(dataDir: string): void {
  rmSync(runningFile(dataDir), { force: true });
}

/** Replaces the file in one step: who reads meanwhile sees the old text or the new one. */
export function writePrivateFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  rmSync(temporary, { force: true }); // an existing file would keep its mode
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
