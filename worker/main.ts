import { createActivities } from '../activities/index.ts';
import { connectClickhouse } from '../analytics/clickhouse.ts';
import { createRenderer } from '../rendering/create-renderer.ts';
import { closeProviders } from '../providers/index.ts';
import { createFailpoints } from '../runtime/failpoints.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { readSettings } from '../runtime/settings.ts';
import { connectTemporal } from '../runtime/temporal/connect.ts';
import { connectPlatform } from '../services/platform.ts';
import { startBackground } from '../runtime/background.ts';
import { backgroundTasks } from './background-tasks.ts';
import { createTemporalWorker } from './temporal-worker.ts';
import { startHealthServer } from './health-server.ts';

const settings = readSettings('worker');
const log = createLog('worker', settings.LOG_LEVEL);
const metrics = createMetrics('worker');

const renderer = await createRenderer({ log });
const clickhouse = connectClickhouse(
  { url: settings.CLICKHOUSE_URL, database: settings.CLICKHOUSE_DATABASE },
  log,
);
const platform = await connectPlatform({
  settings,
  log,
  metrics,
  renderer,
  temporal: connectTemporal(settings),
  failpoints: createFailpoints(settings.FAILPOINTS),
});
const { worker, connection } = await createTemporalWorker(
  settings,
  log,
  createActivities(platform, settings),
);
const background = startBackground(backgroundTasks(platform, clickhouse, settings), log);
const health = await startHealthServer(settings, platform, worker);
log.info({ address: health.address }, 'worker runs');

let isStopping = false;
function stop(signal: NodeJS.Signals): void {
  if (isStopping) return;
  isStopping = true;
  log.info({ signal }, 'worker stops: running activities end, nothing new begins');
  worker.shutdown();
}
process.on('SIGTERM', stop).on('SIGINT', stop);

try {
  await worker.run();
} finally {
  await background.stop();
  await health.close();
  await connection.close();
  closeProviders();
  await clickhouse.close();
  await platform.close();
}
log.info('worker stopped');
process.exit(0);
