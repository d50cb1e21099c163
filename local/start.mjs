// `npm start`: says what is missing, then hands over to local/main.ts on the project's own Node.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProblems, thisMachine } from './preflight.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const problems = findProblems(thisMachine(root));
if (problems.length > 0) {
  for (const problem of problems) console.error(problem);
  process.exit(1);
}

// With the channel the supervisor notices when this process is killed, and stops everything.
const supervisor = spawn(join(root, 'node_modules/.bin/node'), ['local/main.ts'], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
});
/** @type {NodeJS.Signals[]} */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const name of signals) process.on(name, () => supervisor.kill(name));
supervisor.on('error', (error) => {
  console.error(`Node 24 of this project does not start (${error.message}): run \`npm ci\`.`);
  process.exit(1);
});
supervisor.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  for (const name of signals) process.removeAllListeners(name);
  process.kill(process.pid, signal);
});
