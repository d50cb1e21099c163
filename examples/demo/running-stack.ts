import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { foldersOf } from '../../local/data-folder.ts';
import { readSettings } from '../../runtime/settings.ts';

const runningSchema = z.object({
  addresses: z.object({
    API_URL: z.string(),
    SANDBOX_URL: z.string(),
    CLICKHOUSE_URL: z.string(),
    CLICKHOUSE_DATABASE: z.string(),
  }),
  parts: z.object({ worker: z.object({ pid: z.number() }) }),
});

/** What the demo knows of a stack that `npm start` has started. */
export interface RunningStack {
  apiUrl: string;
  apiKey: string;
  sandboxUrl: string;
  clickhouseUrl: string;
  clickhouseDatabase: string;
  workerPid: number;
  /** One line for each mail that a provider of the sandbox took, written before it answered. */
  acceptanceFile: string;
  /** Where the supervisor looks for requests. */
  runDir: string;
}

/** Reads `running.json` and the demo key; the error says what to do when nothing runs. */
export function findRunningStack(): RunningStack {
  const { dataDir, runDir } = foldersOf(readSettings('local').LOCAL_DATA_DIR);
  const file = join(dataDir, 'running.json');
  if (!existsSync(file))
    throw new Error('Nothing runs here: start it with `npm start`, and the demo beside it.');
  const { addresses, parts } = runningSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return {
    apiUrl: addresses.API_URL,
    apiKey: readFileSync(join(dataDir, 'demo-api-key'), 'utf8').trim(),
    sandboxUrl: addresses.SANDBOX_URL,
    clickhouseUrl: addresses.CLICKHOUSE_URL,
    clickhouseDatabase: addresses.CLICKHOUSE_DATABASE,
    workerPid: parts.worker.pid,
    acceptanceFile: join(dataDir, 'sandbox', 'accepted.jsonl'),
    runDir,
  };
}
