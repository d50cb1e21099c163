import { execFile } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startChild, type Child } from '../child.ts';
import { waitUntilHealthy } from '../health.ts';
import { processIdentity } from '../process-identity.ts';
import { endProcess } from '../run-records.ts';
import type { RolePasswords } from '../secrets.ts';
import { createRolesAndDatabase, DATABASE } from './database-roles.ts';
import { preparePostgresPlace, type PostgresPlace } from './postgres-place.ts';

const HOST = '127.0.0.1';
const GRACE_MS = 20_000;
// After a crash it replays its log first, and waits for processes of the crashed one to let go of shared memory.
const START_TIMEOUT_MS = 60_000;

export interface PostgresOptions {
  /** Data folder; as root, data may have to live elsewhere: see `movedTo`. */
  dir: string;
  port: number;
  passwords: RolePasswords;
  logDir: string;
  runDir?: string;
  signal?: AbortSignal;
  /** For tests: the files of a new cluster are not flushed. What is committed always is. */
  isThrownAway?: boolean;
}

export interface RunningPostgres {
  child: Child;
  host: string;
  port: number;
  database: string;
  /** Connection URL of a role. */
  urlOf: (role: keyof RolePasswords) => string;
  movedTo?: string;
  stop: () => Promise<void>;
}

/** PostgreSQL with the roles and the database of the platform, healthy. Leaves no process behind when it throws. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { port, passwords } = options;
  const place = preparePostgresPlace(options.dir);
  const cluster = join(place.folder, 'cluster');
  if (!existsSync(cluster)) await initialise(place, cluster, options);
  await clearStalePid(cluster);

  const urlOf = (role: keyof RolePasswords, database = DATABASE) =>
    `postgres://${role}:${passwords[role]}@${HOST}:${port}/${database}`;
  const child = await startChild({
    name: 'postgres',
    program: { command: place.postgres, args: serverArguments(cluster, port), user: place.user },
    logDir: options.logDir,
    runDir: options.runDir,
    stopSignal: 'SIGINT', // "fast": open transactions end, the log is flushed
    graceMs: GRACE_MS,
  });
  const superuserUrl = urlOf('postgres', 'postgres');
  await waitUntilHealthy(child, () => answersFrom(superuserUrl, cluster), {
    timeoutMs: START_TIMEOUT_MS,
    signal: options.signal,
  });
  try {
    await createRolesAndDatabase(superuserUrl, passwords);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    child,
    host: HOST,
    port,
    database: DATABASE,
    urlOf: (role) => urlOf(role),
    movedTo: place.movedTo,
    stop: () => child.stop(),
  };
}

function serverArguments(cluster: string, port: number): string[] {
  const settings = {
    listen_addresses: HOST,
    unix_socket_directories: '', // its path would have a length limit
    max_connections: '200', // three roles with a pool each, in api, worker and tests
    lc_messages: 'C',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', cluster, '-p', String(port), ...flags];
}

/** Makes the cluster beside its place and renames it, so that a crash leaves a whole one or none. */
async function initialise(place: PostgresPlace, cluster: string, options: PostgresOptions) {
  for (const name of readdirSync(place.folder).filter((entry) => entry.startsWith('new-')))
    rmSync(join(place.folder, name), { recursive: true, force: true });
  const unfinished = mkdtempSync(join(place.folder, 'new-'));
  const passwordFile = join(unfinished, 'password');
  writeFileSync(passwordFile, `${options.passwords.postgres}\n`, { mode: 0o600 });
  if (place.user !== undefined)
    for (const path of [unfinished, passwordFile]) chownSync(path, place.user.uid, place.user.gid);
  const data = join(unfinished, 'cluster');
  const args = [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(options.isThrownAway ? ['--no-sync'] : []),
  ];
  try {
    await promisify(execFile)(place.initdb, args, {
      ...place.user,
      cwd: '/',
      timeout: 120_000,
      signal: options.signal,
    });
    renameSync(data, cluster);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/**
 * PostgreSQL refuses to start while the process named in postmaster.pid lives. If that one still serves this folder
 * (nobody has a record of it), end it; if the number belongs to another program by now, the file is stale.
 */
async function clearStalePid(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  const identity = processIdentity(pid);
  if (identity === undefined) return; // PostgreSQL removes it itself, after looking at its shared memory
  if (identity.includes(cluster))
    await endProcess({ name: 'postgres', pid, identity, stopSignal: 'SIGINT', graceMs: GRACE_MS });
  else rmSync(file);
}

/** Our own server, not another one that took the port. */
async function answersFrom(url: string, cluster: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  });
  client.on('error', () => undefined); // it may end while we look
  try {
    await client.connect();
    const { rows } = await client.query<{ folder: string }>(
      `select current_setting('data_directory') as folder`,
    );
    return rows[0]?.folder === cluster;
  } catch (error) {
    // 28P01: it runs, but the data was made with other passwords. Waiting does not help.
    if (error instanceof Error && 'code' in error && error.code === '28P01')
      throw new Error(
        'PostgreSQL refuses the password in secrets.json: the data belongs to other secrets. Restore them, or `npm run reset`.',
        { cause: error },
      );
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
