import { KnownSources } from './known-sources.ts';
import type { Job, ProcessMessage, RenderLimits } from './protocol.ts';
import { WatchedThread } from './watched-thread.ts';

// The renderer process: hands the parent's jobs to its threads. Its own thread never touches a template.

/** Jobs that a thread gets at once: waking a thread costs as much as a mail. */
const MOST_JOBS_AT_ONCE = 8;

const [threadCount, limits] = JSON.parse(process.argv[2] ?? '') as [number, RenderLimits];
const sources = new KnownSources();
const waiting: Job[] = [];
const idle: WatchedThread[] = [];
const toTell: ProcessMessage[] = [];
let threadsToCome = threadCount;

// One message for all that is said in a turn, for the same reason.
function tell(message: ProcessMessage): void {
  if (toTell.push(message) === 1) setImmediate(flush);
}

function flush(): void {
  if (toTell.length > 0) process.send?.(toTell.splice(0));
}

// Not `process.exit`, which waits for threads, and one may never come back.
function endProcess(): void {
  process.kill(process.pid, 'SIGKILL');
}

function assign(): void {
  while (waiting.length > 0) {
    const thread = idle.pop();
    if (!thread) return;
    const share = Math.ceil(waiting.length / threadCount);
    thread.start(waiting.splice(0, Math.min(share, MOST_JOBS_AT_ONCE)));
  }
}

function startThread(): void {
  new WatchedThread(limits, {
    onMessage: tell,
    onIdle: (thread) => {
      if (threadsToCome > 0) {
        threadsToCome -= 1;
        if (threadsToCome === 0) tell({ type: 'ready' });
      }
      idle.push(thread);
      assign();
    },
    onGone: (thread, undone) => {
      const index = idle.indexOf(thread);
      if (index >= 0) idle.splice(index, 1);
      waiting.unshift(...undone);
      assign();
      startThread();
    },
    // What was in flight beside it is done again in the next process; its own answer leaves first.
    onUnstoppable: () => {
      const last: ProcessMessage = { type: 'ending' };
      process.send?.([...toTell.splice(0), last], endProcess);
    },
  });
}

process.on('message', (jobs: Job[]) => {
  for (const job of jobs) waiting.push({ ...job, task: sources.unpack(job.task) });
  assign();
});
process.on('disconnect', endProcess);
for (let count = 0; count < threadCount; count += 1) startThread();
