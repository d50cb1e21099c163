import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLog } from '../runtime/log.ts';
import { startPostgres } from './engines/postgres.ts';
import { startClickHouse, startService } from './engines/services.ts';
import { findTemporalBinary } from './engines/temporal-binary.ts';
import { startTemporal } from './engines/temporal.ts';
import { appendTo, rotate } from './log-file.ts';
import { firstStart } from './platform.ts';
import { abortOf, addressOf, type Part, type Stack, type Started } from './stack.ts';

const CACHE_DIR = fileURLToPath(new URL('../.cache', import.meta.url));

/** In the order in which they start; they stop in the reverse order. */
export const parts = {
  postgres: { label: 'PostgreSQL', start: postgres },
  temporal: { label: 'Temporal', start: temporal },
  clickhouse: { label: 'ClickHouse (chDB)', start: clickhouse },
  sandbox: { label: 'Sandbox', start: sandbox },
  setup: { label: 'Tables and demo tenant', start: setup },
  worker: { label: 'Worker', start: worker },
  api: { label: 'API', start: api },
} as const satisfies Record<string, Part>;
export type PartName = keyof typeof parts;

async function postgres(stack: Stack): Promise<Started> {
  const { settings } = stack;
  if (settings.DATABASE_URL !== undefined) return externalPostgres(settings);
  const running = await startPostgres({
    ...foldersOf(stack),
    dir: join(stack.dataDir, 'postgres'),
    port: stack.ports.postgres.port,
    passwords: stack.secrets.passwords,
  });
  if (running.movedTo !== undefined)
    stack.say(
      `PostgreSQL runs as the user postgres, who cannot reach this folder: its data is in ${running.movedTo}.`,
    );
  return {
    child: running.child,
    where: `${running.host}:${running.port}, database ${running.database}`,
    addresses: {
      DATABASE_OWNER_URL: running.urlOf('owner'),
      DATABASE_URL: running.urlOf('app'),
      DATABASE_RELAY_URL: running.urlOf('relay'),
      DATABASE_OPERATOR_URL: running.urlOf('operator'),
    },
  };
}

function externalPostgres(settings: Stack['settings']): Started {
  const { DATABASE_URL, DATABASE_RELAY_URL, DATABASE_OPERATOR_URL, DATABASE_OWNER_URL } = settings;
  const addresses = { DATABASE_URL, DATABASE_RELAY_URL, DATABASE_OPERATOR_URL, DATABASE_OWNER_URL };
  const missing = Object.entries(addresses).filter(([, url]) => url === undefined);
  if (missing.length > 0)
    throw new Error(
      `DATABASE_URL is set, so ${missing.map(([name]) => name).join(', ')} must be set too.`,
    );
  return { where: 'your own, DATABASE_URL', addresses };
}

async function temporal(stack: Stack): Promise<Started> {
  const { TEMPORAL_ADDRESS, TEMPORAL_UI_URL, TEMPORAL_CLI_PATH } = stack.settings;
  if (TEMPORAL_ADDRESS !== undefined)
    return {
      where: `your own, ${TEMPORAL_ADDRESS}`,
      addresses: { TEMPORAL_ADDRESS, TEMPORAL_UI_URL },
    };
  const binary = await findTemporalBinary({
    cacheDir: CACHE_DIR,
    environment: { TEMPORAL_CLI_PATH, PATH: process.env.PATH },
    say: stack.say,
    signal: stack.signal,
  });
  const running = await startTemporal({
    ...foldersOf(stack),
    binary,
    dir: join(stack.dataDir, 'temporal'),
    port: stack.ports.temporal.port,
    uiPort: stack.ports.temporalUi.port,
  });
  return {
    child: running.child,
    where: `${running.address}, Web UI ${running.uiUrl ?? 'off'}`,
    addresses: {
      TEMPORAL_ADDRESS: running.address,
      TEMPORAL_NAMESPACE: running.namespace,
      TEMPORAL_UI_URL: TEMPORAL_UI_URL ?? running.uiUrl,
    },
  };
}

async function clickhouse(stack: Stack): Promise<Started> {
  const { CLICKHOUSE_URL, CLICKHOUSE_DATABASE } = stack.settings;
  if (CLICKHOUSE_URL !== undefined)
    return {
      where: 'your own, CLICKHOUSE_URL',
      addresses: { CLICKHOUSE_URL, CLICKHOUSE_DATABASE },
    };
  const running = await startClickHouse({
    ...foldersOf(stack),
    dir: join(stack.dataDir, 'clickhouse'),
    port: stack.ports.clickhouse.port,
  });
  return {
    child: running.child,
    where: running.url,
    addresses: { CLICKHOUSE_URL: running.url, CLICKHOUSE_DATABASE },
  };
}

async function sandbox(stack: Stack): Promise<Started> {
  const [http, smtp] = [stack.ports.sandbox.port, stack.ports.sandboxSmtp.port];
  const url = `http://127.0.0.1:${http}`;
  const child = await startService({
    ...foldersOf(stack),
    name: 'sandbox',
    entry: 'sandbox/main.ts',
    environment: {
      SANDBOX_HOST: '127.0.0.1',
      SANDBOX_HTTP_PORT: String(http),
      SANDBOX_SMTP_PORT: String(smtp),
      SANDBOX_DIR: join(stack.dataDir, 'sandbox'),
    },
    healthUrl: `${url}/`,
    anyAnswer: true,
  });
  return {
    child,
    where: `${url}, SMTP 127.0.0.1:${smtp}`,
    addresses: { SANDBOX_URL: url, SANDBOX_SMTP: `127.0.0.1:${smtp}` },
  };
}

async function setup(stack: Stack): Promise<Started> {
  const of = (name: string) => addressOf(stack, name);
  const [appUrl, relayUrl, operatorUrl] = [
    of('DATABASE_URL'),
    of('DATABASE_RELAY_URL'),
    of('DATABASE_OPERATOR_URL'),
  ];
  const logFile = join(stack.logDir, 'setup.log');
  rotate(logFile);
  const done = firstStart({
    ownerUrl: of('DATABASE_OWNER_URL'),
    appUrl,
    relayUrl,
    operatorUrl,
    masterKey: masterKeyOf(stack),
    clickhouseUrl: of('CLICKHOUSE_URL'),
    clickhouseDatabase: stack.settings.CLICKHOUSE_DATABASE,
    sandboxUrl: of('SANDBOX_URL'),
    sandboxSmtp: of('SANDBOX_SMTP'),
    publicUrl: publicUrlOf(stack),
    dataDir: stack.dataDir,
    log: createLog('setup', stack.settings.LOG_LEVEL, appendTo(logFile)),
  });
  await Promise.race([done, abortOf(stack.signal)]);
  return { where: 'done' };
}

async function worker(stack: Stack): Promise<Started> {
  const { port } = stack.ports.worker;
  const child = await startService({
    ...foldersOf(stack),
    name: 'worker',
    entry: 'worker/main.ts',
    environment: { ...platformEnvironment(stack), WORKER_PORT: String(port) },
    healthUrl: `http://127.0.0.1:${port}/readyz`,
    graceMs: 40_000, // a running activity gets SHUTDOWN_GRACE_MS
  });
  return { child, where: `health and metrics http://127.0.0.1:${port}` };
}

async function api(stack: Stack): Promise<Started> {
  const url = `http://127.0.0.1:${stack.ports.api.port}`;
  const child = await startService({
    ...foldersOf(stack),
    name: 'api',
    entry: 'api/main.ts',
    environment: {
      ...platformEnvironment(stack),
      API_PORT: String(stack.ports.api.port),
      SPOOL_DIR: join(stack.dataDir, 'spool'),
    },
    healthUrl: `${url}/readyz`,
  });
  return { child, where: url, addresses: { API_URL: url } };
}

function foldersOf({ logDir, runDir, signal }: Stack) {
  return { logDir, runDir, signal };
}

/** The settings that api and worker share. They never get the owner's URL. */
export function platformEnvironment(stack: Stack): Record<string, string | undefined> {
  return {
    ...stack.addresses,
    DATABASE_OWNER_URL: undefined,
    MASTER_KEY: masterKeyOf(stack),
    PUBLIC_URL: publicUrlOf(stack),
    PROVIDER_HOSTS_ALLOWED: process.env.PROVIDER_HOSTS_ALLOWED ?? '127.0.0.1:*',
  };
}

function masterKeyOf({ settings, secrets }: Stack): string {
  return settings.MASTER_KEY ?? secrets.masterKey;
}

function publicUrlOf({ settings, ports }: Stack): string {
  return settings.PUBLIC_URL ?? `http://127.0.0.1:${ports.api.port}`;
}
