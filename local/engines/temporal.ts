import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { startChild, type Child } from '../child.ts';
import { isHttpHealthy, waitUntilHealthy } from '../health.ts';
import { freePort } from '../ports.ts';

const HOST = '127.0.0.1';

/** By what runs can be found in the Web UI; codes only, never an address. All are keywords. */
const searchAttributes = [
  'TenantId',
  'CampaignId',
  'TemplateKey',
  'Stream',
  'Provider',
  'SendStatus',
] as const;

// The server's default limits stop at about 200 sends a second; one partition suffices for one machine.
const dynamicConfig = {
  'matching.rps': 20_000,
  'history.rps': 20_000,
  'frontend.rps': 20_000,
  'frontend.namespaceRPS': 20_000,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'matching.enableFairness': true,
  // With the default it lingers for three seconds when it is asked to stop.
  'frontend.shutdownDrainDuration': '0s',
  'history.shutdownDrainDuration': '0s',
  'matching.shutdownDrainDuration': '0s',
} as const;

export interface TemporalOptions {
  /** The program, from `findTemporalBinary`. */
  binary: string;
  dir: string;
  port: number;
  /** Without it there is no Web UI. */
  uiPort?: number;
  logDir: string;
  runDir?: string;
  signal?: AbortSignal;
  /** For tests: it is killed at the end, which saves its second of farewell. */
  isThrownAway?: boolean;
}

export interface RunningTemporal {
  child: Child;
  /** host:port of the frontend. */
  address: string;
  namespace: string;
  uiUrl?: string;
  /** Prometheus metrics of the server. */
  metricsUrl: string;
  stop: () => Promise<void>;
}

/** Temporal's dev server on a file database, healthy. Leaves no process behind when it throws. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  mkdirSync(options.dir, { recursive: true });
  const [httpPort, metricsPort] = [await freePort(), await freePort()];
  const address = `${HOST}:${options.port}`;
  const child = await startChild({
    name: 'temporal',
    program: {
      command: options.binary,
      args: serverArguments(options, httpPort, metricsPort),
    },
    logDir: options.logDir,
    runDir: options.runDir,
    graceMs: options.isThrownAway ? 0 : 10_000,
  });
  const namespaceUrl = `http://${HOST}:${httpPort}/api/v1/namespaces/default`;
  await waitUntilHealthy(child, () => isHttpHealthy(namespaceUrl), {
    timeoutMs: 30_000,
    signal: options.signal,
  });
  try {
    await addMissingAttributes(options.binary, address, namespaceUrl);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    child,
    address,
    namespace: 'default',
    uiUrl: options.uiPort === undefined ? undefined : `http://${HOST}:${options.uiPort}`,
    metricsUrl: `http://${HOST}:${metricsPort}/metrics`,
    stop: () => child.stop(),
  };
}

function serverArguments(options: TemporalOptions, httpPort: number, metricsPort: number) {
  const { port, uiPort, dir } = options;
  const ui =
    uiPort === undefined ? ['--headless'] : ['--ui-port', `${uiPort}`, '--ui-disable-news-fetch'];
  return [
    ...['server', 'start-dev', '--log-level', 'warn', '--ip', HOST, '--port', `${port}`, ...ui],
    ...['--http-port', `${httpPort}`, '--metrics-port', `${metricsPort}`],
    ...['--db-filename', join(dir, 'temporal.db')],
    // As fast as in memory. A killed server loses nothing; a power cut may lose its last moments, and the sweep
    // then starts those runs again from PostgreSQL.
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=OFF'],
    ...Object.entries(dynamicConfig).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${JSON.stringify(value)}`,
    ]),
    ...searchAttributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ];
}

const attributesSchema = z.object({
  customAttributes: z.record(z.string(), z.string()).default({}),
});

/** The flags of the server count only for a new database; later attributes are added to a running one. */
async function addMissingAttributes(binary: string, address: string, namespaceUrl: string) {
  const response = await fetch(`${namespaceUrl}/search-attributes`, {
    signal: AbortSignal.timeout(10_000),
  });
  const { customAttributes } = attributesSchema.parse(await response.json());
  const missing = searchAttributes.filter((name) => !(name in customAttributes));
  if (missing.length === 0) return;
  const names = missing.flatMap((name) => ['--name', name, '--type', 'Keyword']);
  await promisify(execFile)(
    binary,
    ['operator', 'search-attribute', 'create', '--address', address, ...names],
    { timeout: 20_000 },
  );
}
