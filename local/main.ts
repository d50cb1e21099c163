import { readSettings } from '../runtime/settings.ts';
import { supervise } from './supervisor.ts';

// Started by local/start.mjs, which has looked whether all that is needed is here.

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => stop.abort(`${name}: stopping.`)); // only the first one counts
process.on('disconnect', () => stop.abort('`npm start` is gone: stopping.'));
process.stdout.on('error', () => undefined); // the terminal was closed: stop in order all the same

try {
  process.exitCode = await supervise(readSettings('local'), {
    say: (line) => console.log(line),
    stop: stop.signal,
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
process.exit();
