import { parentPort, workerData } from 'node:worker_threads';
import { partNames, shared, type Job, type ProcessMessage } from './protocol.ts';
import { perform, type CompiledMail, type MailWork } from './render-mail.ts';
import { SizedCache } from './sized-cache.ts';

/** Generated code that a thread keeps, in characters; the functions made of it weigh a few times that. */
const LARGEST_CODE = 4_000_000;

/** What the process hands to its threads. */
export interface ThreadData {
  shared: SharedArrayBuffer;
  outputBytes: number;
}

const data = workerData as ThreadData;
const watched = new Float64Array(data.shared);
const compiled = new SizedCache<CompiledMail>(LARGEST_CODE);
const port = parentPort;
if (!port) throw new Error('thread.ts runs as a worker thread.');

/** Answers wait for the next ones this long, so that one message carries several. */
const ANSWERS_WAIT_MS = 5;

const said: ProcessMessage[] = [];
function flush(): void {
  if (said.length > 0) port?.postMessage(said.splice(0));
}

function begin(index: number): void {
  const { user, system } = process.threadCpuUsage();
  // In this order: a watcher that reads between the two sees the old job with too little CPU time, not with too much.
  watched[shared.cpuAtStartMicros] = user + system;
  watched[shared.job] = index;
}

port.on('message', (jobs: Job[]) => {
  let flushedMs = performance.now();
  for (const [index, { id, task, isSolo }] of jobs.entries()) {
    begin(index);
    const work: MailWork = {
      outputBytes: data.outputBytes,
      compiled,
      onPart: (part) => {
        watched[shared.part] = partNames.indexOf(part);
        if (isSolo) port.postMessage([{ type: 'part', id, part } satisfies ProcessMessage]);
      },
    };
    said.push({ type: 'answer', id, answer: perform(task, work) });
    if (performance.now() - flushedMs < ANSWERS_WAIT_MS) continue;
    flush();
    flushedMs = performance.now();
  }
  flush();
});
port.postMessage([{ type: 'ready' } satisfies ProcessMessage]);
