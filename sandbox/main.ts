import { createLog } from '../runtime/log.ts';
import { readSettings } from '../runtime/settings.ts';
import { startSandbox } from './start-sandbox.ts';

const settings = readSettings('sandbox');
const log = createLog('sandbox', settings.LOG_LEVEL);
const sandbox = await startSandbox(settings, log);
const { httpUrl, smtpAddress } = sandbox;
log.info({ httpUrl, smtpAddress, folder: settings.SANDBOX_DIR }, 'sandbox listens');

let isStopping = false;
function stop(reason: string): void {
  if (isStopping) return;
  isStopping = true;
  log.info({ reason }, 'sandbox stops');
  sandbox.close().then(
    () => process.exit(0),
    (err: unknown) => {
      log.error({ err }, 'the sandbox did not stop cleanly');
      process.exit(1);
    },
  );
}
process.once('SIGTERM', () => stop('SIGTERM'));
process.once('SIGINT', () => stop('SIGINT'));
if (settings.EXIT_WITH_PARENT) process.stdin.once('end', () => stop('parent gone')).resume();
