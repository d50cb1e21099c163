import { randomBytes } from 'node:crypto';
import { connectTemporal } from '../../runtime/temporal/connect.ts';
import { createFailpoints } from '../../runtime/failpoints.ts';
import { createLog } from '../../runtime/log.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { settingSchemas, type WorkerSettings } from '../../runtime/settings.ts';
import { createRenderer } from '../../rendering/create-renderer.ts';
import { connectPlatform, type Platform } from '../../services/platform.ts';
import { migrate } from '../../schema/migrate.ts';

const masterKey = randomBytes(32).toString('base64');
let migrated: Promise<unknown> | undefined;

/** Settings of a worker against the test run's engines; deadlines short enough for tests. */
export async function testSettings(
  overrides: Record<string, string> = {},
): Promise<WorkerSettings> {
  const { env } = process;
  migrated ??= migrate(env['TEST_DATABASE_OWNER_URL'] ?? '');
  await migrated;
  return settingSchemas.worker.parse({
    LOG_LEVEL: env['TEST_LOG_LEVEL'] ?? 'silent',
    DATABASE_URL: env['TEST_DATABASE_URL'],
    DATABASE_RELAY_URL: env['TEST_DATABASE_RELAY_URL'],
    DATABASE_OPERATOR_URL: env['TEST_DATABASE_OPERATOR_URL'],
    DATABASE_POOL_SIZE: '6',
    TEMPORAL_ADDRESS: env['TEST_TEMPORAL_ADDRESS'],
    CLICKHOUSE_URL: env['TEST_CLICKHOUSE_URL'],
    MASTER_KEY: masterKey,
    PROVIDER_HOSTS_ALLOWED: '127.0.0.1:*',
    WORKER_PORT: '0',
    PROVIDER_TIMEOUT_MS: '1000',
    CALL_WITHIN_MS: '500',
    ANSWER_GRACE_MS: '300',
    RECONCILE_WINDOW_TRANSACTIONAL_MS: '2000',
    TRACKING_WINDOW_TRANSACTIONAL_MS: '20000',
    ...overrides,
  });
}

/** A platform of a suite's own: its pools and renderer, the run's engines. Close it. */
export async function aPlatform(overrides: Record<string, string> = {}): Promise<Platform> {
  const settings = await testSettings(overrides);
  const log = createLog('test', settings.LOG_LEVEL);
  return connectPlatform({
    settings,
    log,
    metrics: createMetrics('test'),
    renderer: await createRenderer({ log }),
    temporal: connectTemporal(settings),
    failpoints: createFailpoints(settings.FAILPOINTS),
  });
}
