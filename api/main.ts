import { createRenderer } from '../rendering/create-renderer.ts';
import { closeProviders } from '../providers/index.ts';
import { createFailpoints } from '../runtime/failpoints.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { readSettings } from '../runtime/settings.ts';
import { connectTemporal } from '../runtime/temporal/connect.ts';
import { openSpool } from '../services/events/spool.ts';
import { connectPlatform } from '../services/platform.ts';
import { startBackground } from '../runtime/background.ts';
import { createApp } from './app.ts';
import { listen } from './server.ts';

const DRAIN_SPOOL_EVERY_MS = 1_000;
const REQUESTS_END_WITHIN_MS = 8_000;

const settings = readSettings('api');
const log = createLog('api', settings.LOG_LEVEL);
const platform = await connectPlatform({
  settings,
  log,
  metrics: createMetrics('api'),
  renderer: await createRenderer({ log }),
  temporal: connectTemporal(settings),
  failpoints: createFailpoints(settings.FAILPOINTS),
});
const spool = await openSpool(platform, settings.SPOOL_DIR, settings.SPOOL_MAX_BYTES);
let isStopping = false;
const app = createApp(platform, { spool, isStopping: () => isStopping });
const server = await listen(app, { host: settings.API_HOST, port: settings.API_PORT });
const background = startBackground(
  [{ name: 'drain spool', everyMs: DRAIN_SPOOL_EVERY_MS, run: spool.drain }],
  log,
);
log.info({ address: server.url }, 'api listens');

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  log.info({ signal }, 'api stops: running requests end, new ones are refused');
  await server.close(REQUESTS_END_WITHIN_MS);
  await background.stop();
  closeProviders();
  await platform.close();
  log.info('api stopped');
}

function onSignal(signal: NodeJS.Signals): void {
  stop(signal).then(
    () => process.exit(0),
    (error: unknown) => {
      log.error({ err: error }, 'the api did not stop cleanly');
      process.exit(1);
    },
  );
}
process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
