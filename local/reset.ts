import { existsSync, readdirSync } from 'node:fs';
import { readSettings } from '../runtime/settings.ts';
import { emptyDataFolder, foldersOf, isOurs } from './data-folder.ts';
import { endLeftovers, takeLock } from './run-records.ts';

// `npm run reset`: empties the data folder. Refuses while something runs on it.

const { dataDir, runDir } = foldersOf(readSettings('local').LOCAL_DATA_DIR);
try {
  await reset();
  console.log(`${dataDir} is empty.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function reset(): Promise<void> {
  if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) return;
  if (!isOurs(dataDir))
    throw new Error(`${dataDir} was not made by \`npm start\`: empty it yourself.`);
  const holder = takeLock(runDir);
  if (holder.pid !== process.pid)
    throw new Error(`It runs (pid ${holder.pid}): stop it first, with Ctrl-C or \`npm run stop\`.`);
  await endLeftovers(runDir);
  emptyDataFolder(dataDir);
}
