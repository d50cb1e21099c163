import { setTimeout as sleep } from 'node:timers/promises';
import { readSettings } from '../runtime/settings.ts';
import { foldersOf } from './data-folder.ts';
import { runningSupervisor } from './run-records.ts';

// `npm run stop`: asks the supervisor of the data folder to stop everything, and waits for it.

const { dataDir, runDir } = foldersOf(readSettings('local').LOCAL_DATA_DIR);
const supervisor = runningSupervisor(runDir);
if (supervisor === undefined) {
  console.log(`Nothing runs on ${dataDir}.`);
} else {
  process.kill(supervisor.pid, 'SIGTERM');
  const until = performance.now() + 90_000;
  while (runningSupervisor(runDir)?.pid === supervisor.pid && performance.now() < until)
    await sleep(50);
  const isGone = runningSupervisor(runDir)?.pid !== supervisor.pid;
  console.log(isGone ? 'Stopped.' : `Still stopping (pid ${supervisor.pid}).`);
  process.exitCode = isGone ? 0 : 1;
}
