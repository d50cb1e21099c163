import { startChild, type Child } from '../child.ts';
import { isHttpHealthy, waitUntilHealthy } from '../health.ts';

export interface ServiceOptions {
  name: string;
  /** Our own Node program, from the project's folder. */
  entry: string;
  environment: Record<string, string | undefined>;
  /** Answers 2xx when the process is ready. */
  healthUrl: string;
  anyAnswer?: boolean;
  logDir: string;
  runDir?: string;
  signal?: AbortSignal;
  graceMs?: number;
}

/** One of our own processes, healthy. Leaves no process behind when it throws. */
export async function startService(options: ServiceOptions): Promise<Child> {
  const { healthUrl, signal, anyAnswer } = options;
  const child = await startChild({
    name: options.name,
    program: { entry: options.entry },
    environment: options.environment,
    logDir: options.logDir,
    runDir: options.runDir,
    graceMs: options.graceMs ?? 10_000,
  });
  await waitUntilHealthy(child, () => isHttpHealthy(healthUrl, anyAnswer), {
    timeoutMs: 60_000,
    signal,
  });
  return child;
}

/** chDB behind ClickHouse's HTTP protocol. */
export async function startClickHouse(
  options: { dir: string; port: number } & Pick<ServiceOptions, 'logDir' | 'runDir' | 'signal'>,
): Promise<{ child: Child; url: string; stop: () => Promise<void> }> {
  const { dir, port, ...common } = options;
  const url = `http://127.0.0.1:${port}`;
  const child = await startService({
    ...common,
    name: 'clickhouse',
    entry: 'local/clickhouse/main.ts',
    environment: {
      CLICKHOUSE_FRONT_HOST: '127.0.0.1',
      CLICKHOUSE_FRONT_PORT: String(port),
      CLICKHOUSE_FRONT_DIR: dir,
    },
    healthUrl: `${url}/ping`,
  });
  return { child, url, stop: () => child.stop() };
}
