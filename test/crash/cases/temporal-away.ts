import { setTimeout as sleep } from 'node:timers/promises';
import { Run, zeros, type CrashCase, type RunOptions, type RunResult } from '../run.ts';
import type { CrashStack } from '../stack.ts';

const ANSWER_WITHIN_MS = 1_000;
const STARTED_WITHIN_MS = 5_000;
/** A new API has a queue of requests at its door, and is slow at first; that is not what is measured here. */
const CALM_AFTER_MS = 1_500;

export const temporalAwayShortly: CrashCase = {
  summary:
    'the API dies between commit and start; then Temporal is killed, and is back after seconds',
  run: (stack, options) =>
    run(stack, options, { leastMs: 2_000, mostMs: options.messages < 50 ? 3_000 : 8_000 }),
};

export const temporalAwayLong: CrashCase = {
  summary: 'as F05, and Temporal is away for a minute',
  run: (stack, options) => run(stack, options, { leastMs: 60_000, mostMs: 60_000 }),
};

async function run(
  stack: CrashStack,
  options: RunOptions,
  away: { leastMs: number; mostMs: number },
): Promise<RunResult> {
  const run = await Run.begin(stack, options);
  const { api, worker, temporal } = stack;
  if (!worker.isRunning) await worker.start();
  await api.kill();
  const failpoint = `before_workflow_start=kill@${1 + Math.floor(run.random() * 5)}`;
  await api.start({ FAILPOINTS: failpoint });
  const client = run.startClient();
  if (!(await api.endsWithin(8_000))) options.say(`never passed: ${failpoint}`);
  await api.kill();
  await api.start();
  options.say('the API died between commit and start');

  await sleep(CALM_AFTER_MS + run.random() * 1_000);
  await temporal.kill();
  const goneAt = new Date();
  await sleep(away.leastMs + run.random() * (away.mostMs - away.leastMs));
  // The client may be done by now: these come at the last moment.
  await Promise.all(Array.from({ length: 5 }, () => client.sendOne()));
  await temporal.start();
  const backAt = new Date();
  options.say(`Temporal was away for ${backAt.getTime() - goneAt.getTime()} ms`);
  await client.done;
  const isSettled = await run.settles();
  const { first, late, accepted } = await countStarts(run, goneAt, backAt);
  const meanwhile = client.report.answers.filter(
    ({ askedAt }) => askedAt >= goneAt.getTime() && askedAt <= backAt.getTime(),
  );
  const answerMs = Math.round(Math.max(...meanwhile.map(({ ms }) => ms), 0));
  const verdict = await run.judge(client);
  return {
    verdict,
    promises: [
      ...zeros(verdict),
      { text: 'every message ends', isKept: isSettled },
      {
        text: `slowest answer ${answerMs} ms, promised ${ANSWER_WITHIN_MS}`,
        isKept: answerMs <= ANSWER_WITHIN_MS,
        isTime: true,
      },
      {
        text: `last start ${late} ms after the return, promised ${STARTED_WITHIN_MS}`,
        isKept: late <= STARTED_WITHIN_MS,
        isTime: true,
      },
      { text: `${accepted} messages came meanwhile, needed 1`, isKept: accepted > 0 },
    ],
    measures: {
      'away ms': backAt.getTime() - goneAt.getTime(),
      'accepted meanwhile': accepted,
      'first start ms': first,
      'last start ms': late,
      'slowest answer ms': answerMs,
    },
  };
}

/** Messages that were accepted while Temporal was away, and how long after its return the first and the last of them started. */
async function countStarts({ stack, place }: Run, goneAt: Date, backAt: Date) {
  const [row] = await stack.query<{ first: number; late: number; accepted: number }>(
    `SELECT coalesce(max(extract(epoch FROM started_at - $2) * 1000), 0)::int AS late,
       coalesce(min(extract(epoch FROM started_at - $2) * 1000), 0)::int AS first, count(*)::int AS accepted
       FROM messages WHERE $1 = ANY (tags) AND created_at BETWEEN $3 AND $2`,
    [place.tag, backAt, goneAt],
  );
  return { first: row?.first ?? 0, late: row?.late ?? 0, accepted: row?.accepted ?? 0 };
}
