import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toPublicId } from '../../../domain/ids.ts';
import { readTaken } from '../../oracle/read-evidence.ts';
import { Run, zeros, type CrashCase } from '../run.ts';

const FROZEN_WITHIN_MS = 15_000;
/** What was written to a socket before the stop has arrived by now. */
const LAST_BYTES_MS = 500;
/** A late request or a late record would come soon after the worker wakes up. */
const WAKES_UP_MS = 3_000;

/**
 * Temporal goes on giving tasks to a stopped worker for the minute that its open polls last; one that has no slot left
 * polls for none, which makes a small run short.
 */
const FEW_SLOTS = { WORKER_ACTIVITY_SLOTS: '1', WORKER_WORKFLOW_SLOTS: '2' };

interface HeldCall {
  id: string;
  state: string;
  class: string | null;
  repeats: number;
}

const rank: Record<string, number> = { claimed: 0, unknown: 1, refused: 2, accepted: 3 };

export const workerStopped: CrashCase = {
  summary:
    'the worker is stopped (SIGSTOP) between claim and request, past every deadline, and goes on after another took over',
  run: async (stack, options) => {
    const run = await Run.begin(stack, options);
    const { worker, secondWorker } = stack;
    await Promise.all([worker.kill(), secondWorker.kill()]);
    try {
      const place = run.random() < 0.5 ? 'after_claim' : 'before_request';
      const failpoint = `${place}=stop@${1 + Math.floor(run.random() * Math.min(options.messages / 4, 12))}`;
      await worker.start({ FAILPOINTS: failpoint, ...(options.messages < 50 && FEW_SLOTS) });
      const client = run.startClient();
      await untilFrozen(run);
      await sleep(LAST_BYTES_MS);
      const inFlight = await run.countInFlight();
      const held = await listUnsentCalls(run);
      options.say(
        `${failpoint} stopped the worker: ${inFlight} in flight, ${held.size} calls unsent`,
      );

      await secondWorker.start();
      await client.done;
      const takenOver = await run.settles();
      options.say('another worker has brought everything to an end');
      const before = await readCalls(run, held);
      const wokenAt = Date.now();
      worker.signal('SIGCONT');
      await sleep(WAKES_UP_MS);
      const isSettled = await run.settles();
      const after = await readCalls(run, held);
      const hasSurvived = worker.isRunning;
      const late = await countLate(run, held, wokenAt);
      const overwritten = before.filter((call) => isOverwritten(call, after)).length;
      const verdict = await run.judge(client);
      const unlabelled = await run.countUnlabelled();
      return {
        verdict,
        promises: [
          ...zeros(verdict),
          { text: 'another worker brings every message to an end meanwhile', isKept: takenOver },
          { text: 'every message ends', isKept: isSettled },
          { text: 'the worker that was woken up lives', isKept: hasSurvived },
          { text: `${held.size} calls were held back, needed 1`, isKept: held.size > 0 },
          { text: `${late} late requests of them, promised 0`, isKept: late === 0 },
          {
            text: `${overwritten} of their outcomes were undone, promised 0`,
            isKept: overwritten === 0,
          },
          {
            text: `unknown ${verdict.unknown}, promised ${options.honours ? 0 : `at most ${inFlight}`}`,
            isKept: verdict.unknown <= (options.honours ? 0 : inFlight),
          },
          { text: `${unlabelled} unknown ones do not say so`, isKept: unlabelled === 0 },
        ],
        measures: {
          place,
          'in flight': inFlight,
          unsent: held.size,
          'before waking': tell(before),
          after: tell(after),
        },
      };
    } finally {
      await Promise.all([worker.kill(), secondWorker.kill()]);
    }
  },
};

async function untilFrozen({ stack }: Run): Promise<void> {
  const deadline = Date.now() + FROZEN_WITHIN_MS;
  while (!(await stack.worker.isFrozen())) {
    if (Date.now() > deadline) throw new Error('the failpoint never stopped the worker');
    await sleep(50);
  }
}

/** Calls that the stopped worker has claimed, and that no provider has got: by public id. */
async function listUnsentCalls(run: Run): Promise<Set<string>> {
  const rows = await selectCalls(run, "AND c.state = 'claimed'");
  const taken = new Set((await readTaken(run.place)).map(({ callId }) => callId));
  return new Set(rows.map(({ id }) => id).filter((id) => !taken.has(id)));
}

async function readCalls(run: Run, ids: Set<string>): Promise<HeldCall[]> {
  return (await selectCalls(run, '')).filter(({ id }) => ids.has(id));
}

async function selectCalls({ stack, place }: Run, condition: string): Promise<HeldCall[]> {
  const rows = await stack.query<HeldCall>(
    `SELECT c.id::text, c.state, c.class, c.repeats FROM provider_calls c JOIN messages m
       ON m.tenant_id = c.tenant_id AND m.id = c.message_id
      WHERE $1 = ANY (m.tags) ${condition} ORDER BY c.id`,
    [place.tag],
  );
  return rows.map((row) => ({ ...row, id: toPublicId('call', row.id) }));
}

/** Requests that reached the provider after the worker woke up, taken or taken again under the same id. */
async function countLate(run: Run, ids: Set<string>, since: number): Promise<number> {
  const text = await readFile(join(run.stack.sandboxDir, 'repeated.jsonl'), 'utf8');
  const repeated = text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as { at: string; callId: string });
  return [...(await readTaken(run.place)), ...repeated].filter(
    ({ at, callId }) => callId !== null && ids.has(callId) && Date.parse(at) > since,
  ).length;
}

/** A late answer may say more than was known, never less. */
function isOverwritten(before: HeldCall, after: HeldCall[]): boolean {
  const now = after.find(({ id }) => id === before.id);
  return now === undefined || (rank[now.state] ?? 0) < (rank[before.state] ?? 0);
}

/** As `unknown 2, accepted 1`. */
function tell(calls: HeldCall[]): string {
  const groups = Map.groupBy(calls, ({ state, class: kind }) =>
    state === 'refused' ? `refused:${kind ?? ''}` : state,
  );
  return [...groups].map(([state, of]) => `${state} ${of.length}`).join(', ');
}
