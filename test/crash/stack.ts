import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { findTemporalBinary } from '../../local/engines/temporal-binary.ts';
import { startTemporal, type RunningTemporal } from '../../local/engines/temporal.ts';
import { freePort } from '../../local/ports.ts';
import { createLog } from '../../runtime/log.ts';
import { firstStart } from '../../services/first-start/first-start.ts';
import { bundleWorkflows } from '../../worker/temporal-worker.ts';
import { createOwnDatabase } from './own-database.ts';
import { Service } from './service.ts';

/** Deadlines short enough for many runs; their order is that of the defaults. */
export const timing = {
  PROVIDER_TIMEOUT_MS: 1_000,
  CALL_WITHIN_MS: 500,
  ANSWER_GRACE_MS: 300,
  RECONCILE_WINDOW_TRANSACTIONAL_MS: 3_000,
  TRACKING_WINDOW_TRANSACTIONAL_MS: 20_000,
  SWEEP_EVERY_MS: 500,
  CHECK_RUNS_EVERY_MS: 1_000,
};

export interface CrashStack {
  apiUrl: string;
  apiKey: string;
  /** As superuser: sees past row-level security. */
  databaseUrl: string;
  sandboxUrl: string;
  sandboxDir: string;
  logDir: string;
  api: Service;
  worker: Service;
  /** A rival of the worker on the same task queue; not started. */
  secondWorker: Service;
  temporal: { kill: () => Promise<void>; start: () => Promise<void> };
  /** Rows as superuser. */
  query: <Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<Row[]>;
  close: () => Promise<void>;
}

/** The environment that `startEngines` answers. */
export type EngineAddresses = Record<string, string | undefined>;

/** The whole platform as processes that can be killed, in a database and on a Temporal of its own. */
export async function startCrashStack(
  engines: EngineAddresses,
  { keepsFolder = false } = {},
): Promise<CrashStack> {
  const dir = mkdtempSync(join(tmpdir(), 'email-platform-crash-'));
  chmodSync(dir, 0o711);
  const cleanups: (() => unknown)[] = [];
  if (!keepsFolder) cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const close = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return await build(dir, engines, cleanups, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  dir: string,
  engines: EngineAddresses,
  cleanups: (() => unknown)[],
  close: () => Promise<void>,
): Promise<CrashStack> {
  const logDir = join(dir, 'logs');
  const log = createLog('crash', 'warn');
  const name = `crash_${process.pid}_${randomBytes(3).toString('hex')}`;
  const address = (key: string) => engines[`TEST_${key}`] ?? '';
  const database = await createOwnDatabase(address('DATABASE_SUPERUSER_URL'), name);
  cleanups.push(() => database.drop());

  const temporal = await ownTemporal(join(dir, 'temporal'), logDir);
  cleanups.push(() => temporal.running.stop());

  const [apiPort, sandboxPort, smtpPort] = [await freePort(), await freePort(), await freePort()];
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const sandboxUrl = `http://127.0.0.1:${sandboxPort}`;
  const sandboxSmtp = `127.0.0.1:${smtpPort}`;
  const sandboxDir = join(dir, 'sandbox');
  const service = (spec: Omit<ConstructorParameters<typeof Service>[0], 'logDir'>) => {
    const created = new Service({ ...spec, logDir });
    cleanups.push(() => created.kill());
    return created;
  };
  const sandbox = service({
    name: 'sandbox',
    entry: 'sandbox/main.ts',
    environment: {
      SANDBOX_HTTP_PORT: `${sandboxPort}`,
      SANDBOX_SMTP_PORT: `${smtpPort}`,
      SANDBOX_DIR: sandboxDir,
    },
    healthUrl: `${sandboxUrl}/sandbox/healthz`,
  });
  await sandbox.start();

  const masterKey = randomBytes(32).toString('base64');
  const urls = {
    DATABASE_URL: database.urlOf(address('DATABASE_URL')),
    DATABASE_RELAY_URL: database.urlOf(address('DATABASE_RELAY_URL')),
    DATABASE_OPERATOR_URL: database.urlOf(address('DATABASE_OPERATOR_URL')),
  };
  await firstStart({
    ownerUrl: database.urlOf(address('DATABASE_OWNER_URL')),
    appUrl: urls.DATABASE_URL,
    relayUrl: urls.DATABASE_RELAY_URL,
    operatorUrl: urls.DATABASE_OPERATOR_URL,
    masterKey,
    clickhouseUrl: address('CLICKHOUSE_URL'),
    clickhouseDatabase: name,
    sandboxUrl,
    sandboxSmtp,
    publicUrl: apiUrl,
    dataDir: dir,
    log,
  });
  const bundle = join(dir, 'workflows.js');
  writeFileSync(bundle, (await bundleWorkflows(log)).code);

  const platformEnvironment = {
    ...urls,
    ...Object.fromEntries(Object.entries(timing).map(([key, ms]) => [key, `${ms}`])),
    TEMPORAL_ADDRESS: temporal.running.address,
    CLICKHOUSE_URL: address('CLICKHOUSE_URL'),
    CLICKHOUSE_DATABASE: name,
    MASTER_KEY: masterKey,
    PUBLIC_URL: apiUrl,
    SANDBOX_URL: sandboxUrl,
    SANDBOX_SMTP: sandboxSmtp,
    DATABASE_POOL_SIZE: '10',
  };
  const worker = async (workerName: string) => {
    const port = await freePort();
    return service({
      name: workerName,
      entry: 'worker/main.ts',
      environment: { ...platformEnvironment, WORKER_PORT: `${port}`, WORKFLOW_BUNDLE: bundle },
      healthUrl: `http://127.0.0.1:${port}/readyz`,
    });
  };
  const api = service({
    name: 'api',
    entry: 'api/main.ts',
    environment: {
      ...platformEnvironment,
      API_PORT: `${apiPort}`,
      SPOOL_DIR: join(dir, 'spool'),
    },
    healthUrl: `${apiUrl}/readyz`,
  });
  const databaseUrl = database.urlOf(address('DATABASE_SUPERUSER_URL'));
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, query_timeout: 15_000 });
  cleanups.push(() => pool.end());
  const stack: CrashStack = {
    apiUrl,
    apiKey: readFileSync(join(dir, 'demo-api-key'), 'utf8').trim(),
    databaseUrl,
    sandboxUrl,
    sandboxDir,
    logDir,
    api,
    worker: await worker('worker'),
    secondWorker: await worker('second-worker'),
    temporal,
    query: async (sql, values) => (await pool.query(sql, values)).rows as never,
    close,
  };
  await Promise.all([stack.api.start(), stack.worker.start()]);
  return stack;
}

/** A Temporal that can be killed and comes back with its data. */
async function ownTemporal(dir: string, logDir: string) {
  const binary = await findTemporalBinary({
    cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)),
    environment: process.env,
    say: (line) => console.error(line),
  });
  const port = await freePort();
  const start = () => startTemporal({ binary, dir, port, logDir, isThrownAway: true });
  const temporal: { running: RunningTemporal } & CrashStack['temporal'] = {
    running: await start(),
    kill: async () => {
      const { child } = temporal.running;
      process.kill(child.pid, 'SIGKILL');
      await child.exited;
    },
    start: async () => {
      temporal.running = await start();
    },
  };
  return temporal;
}
