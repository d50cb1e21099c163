import { setTimeout as sleep } from 'node:timers/promises';
import { Run, zeros, type CrashCase } from '../run.ts';

const FIRST_SEND_WITHIN_MS = 10_000;
const FAILPOINTS = ['after_claim', 'before_request', 'after_response', 'after_outcome_commit'];

/** How one life of the worker ends: after a time, or when it passes a place for the nth time. */
type Death = { afterMs: number } | { failpoint: string };

/** Small runs have fewer deaths, or nothing would be left to interrupt. */
function planDeaths(random: () => number, messages: number): Death[] {
  return Array.from({ length: messages < 50 ? 1 : 3 }, () => planDeath(random, messages));
}

function planDeath(random: () => number, messages: number): Death {
  if (random() < 0.5) return { afterMs: Math.round(200 + random() * 2_000) };
  const name = FAILPOINTS[Math.floor(random() * FAILPOINTS.length)] ?? '';
  return { failpoint: `${name}=kill@${1 + Math.floor(random() * Math.min(messages / 4, 15))}` };
}

export const workerKilled: CrashCase = {
  summary:
    'the worker is killed (SIGKILL) in the middle of sending, several times, and restarted at once',
  run: async (stack, options) => {
    const run = await Run.begin(stack, options);
    const deaths = planDeaths(run.random, options.messages);
    const { worker } = stack;
    await worker.kill();
    const client = run.startClient();
    const restarts: number[] = [];
    let inFlight = 0;
    for (const death of deaths) {
      const isTimed = 'afterMs' in death;
      await worker.start(isTimed ? {} : { FAILPOINTS: death.failpoint });
      if (isTimed) await sleep(death.afterMs);
      else if (!(await worker.endsWithin(8_000))) options.say(`never passed: ${death.failpoint}`);
      await worker.kill();
      const left = await run.countInFlight();
      inFlight += left;
      options.say(
        `killed ${isTimed ? `after ${death.afterMs} ms` : death.failpoint}, ${left} in flight`,
      );
      restarts.push(Date.now());
    }
    await worker.start();
    // What is asked for now must not wait for what the dead left behind.
    const newMailMs = await run.timeToProvider(await client.sendOne(), restarts.at(-1) ?? 0);
    await client.done;
    const calm = Date.now();
    const isSettled = await run.settles();
    const firstSends = await Promise.all(restarts.map((at) => run.firstMailAfter(at)));
    const verdict = await run.judge(client);
    const unlabelled = await run.countUnlabelled();
    return {
      verdict,
      promises: [
        ...zeros(verdict),
        { text: 'every message ends', isKept: isSettled },
        {
          text: `unknown ${verdict.unknown}, promised ${options.honours ? 0 : `at most ${inFlight}, the calls in flight`}`,
          isKept: verdict.unknown <= (options.honours ? 0 : inFlight),
        },
        { text: `${unlabelled} unknown ones do not say so`, isKept: unlabelled === 0 },
        {
          text: `a new mail ${newMailMs} ms after the last restart, promised ${FIRST_SEND_WITHIN_MS}`,
          isKept: newMailMs <= FIRST_SEND_WITHIN_MS,
          isTime: true,
        },
      ],
      measures: {
        'in flight': inFlight,
        'new mail ms': newMailMs,
        'first mails ms': firstSends.join(' '),
        'settled s': Math.round((Date.now() - calm) / 100) / 10,
      },
    };
  },
};
