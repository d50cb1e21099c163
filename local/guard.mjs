// Runs one program that does not notice when its parent is gone (PostgreSQL, Temporal) and stops it then.
//   node local/guard.mjs '{"command","args","uid","gid","stopSignal","graceMs"}'     started with an IPC channel
import { spawn } from 'node:child_process';

/** @type {{command: string, args: string[], uid?: number, gid?: number, stopSignal: NodeJS.Signals, graceMs: number}} */
const { command, args, uid, gid, stopSignal, graceMs } = JSON.parse(process.argv[2] ?? '{}');

const child = spawn(command, args, {
  uid,
  gid,
  cwd: '/', // the program's user may not be allowed to see ours
  stdio: ['ignore', 'inherit', 'inherit'],
});
child.on('spawn', () => process.connected && process.send?.({ pid: child.pid }));
child.on('error', (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  // End the way the program ended, so that our parent sees the same signal.
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.removeAllListeners(name);
  process.kill(process.pid, signal);
});

let stopping = false;
function stop() {
  if (stopping) return;
  stopping = true;
  child.kill(stopSignal);
  setTimeout(() => child.kill('SIGKILL'), graceMs).unref();
}
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, stop);
process.on('disconnect', stop);
