import '../exit-with-parent.mjs';
import { createLog } from '../../runtime/log.ts';
import { readSettings } from '../../runtime/settings.ts';
import { startClickhouseFront } from './front.ts';

const settings = readSettings('clickhouseFront');
const log = createLog('clickhouse-front', settings.LOG_LEVEL);

try {
  const front = await startClickhouseFront({
    host: settings.CLICKHOUSE_FRONT_HOST,
    port: settings.CLICKHOUSE_FRONT_PORT,
    dir: settings.CLICKHOUSE_FRONT_DIR,
    log,
    onFatal: endAtOnce,
  });
  log.info({ url: front.url, port: front.port }, 'listening');
  const stop = () => void front.close().then(() => process.exit(0), failStop);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  log.error({ err: error }, 'cannot start');
  process.exitCode = 1;
}

function failStop(error: unknown): void {
  log.error({ err: error }, 'did not stop cleanly');
  endAtOnce();
}

/** An ordinary exit would close the engine under its running queries and may hang; written data outlives a kill. */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL');
}
