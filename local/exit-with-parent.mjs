// Preloaded into every Node child: the supervisor holds the other end of stdin, and when that closes the supervisor
// is gone, so the child goes too. As hard as a crash, which all of them survive: an orderly end would wait for
// PostgreSQL and Temporal, which stop at the same moment.
if (process.env.EXIT_WITH_PARENT === '1') {
  const end = () => process.kill(process.pid, 'SIGKILL');
  process.stdin.on('close', end).on('error', end).resume();
  process.stdin.unref(); // waiting must not keep a process alive that has nothing else to do
  delete process.env.EXIT_WITH_PARENT; // children of the child have another stdin
}
