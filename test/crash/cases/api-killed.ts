import { setTimeout as sleep } from 'node:timers/promises';
import { Run, zeros, type CrashCase } from '../run.ts';

export const apiKilled: CrashCase = {
  summary:
    'the API is killed (SIGKILL) between commit and answer; the client asks again under its key',
  run: async (stack, options) => {
    const run = await Run.begin(stack, options);
    const { api, worker } = stack;
    if (!worker.isRunning) await worker.start();
    const lives = options.messages < 50 ? 1 : 3;
    const n = () => 1 + Math.floor(run.random() * Math.max(options.messages / lives / 2, 2));
    const failpoints = Array.from({ length: lives }, (_, i) =>
      i === 2 ? undefined : `after_accept_commit=kill@${n()}`,
    );
    await api.kill();
    const client = run.startClient({ hangUpShare: 0.15 });
    let kills = 0;
    for (const failpoint of failpoints) {
      await api.start(failpoint === undefined ? {} : { FAILPOINTS: failpoint });
      if (failpoint === undefined) await sleep(run.random() * 1_500);
      else await api.endsWithin(8_000);
      kills += 1;
      await api.kill();
      options.say(`killed ${failpoint ?? 'at a random moment'}`);
    }
    await api.start();
    await client.done;
    const isSettled = await run.settles();
    const verdict = await run.judge(client);
    const unanswered = client.report.requests.filter((r) => r.acknowledgedIds.length === 0).length;
    return {
      verdict,
      promises: [
        ...zeros(verdict),
        { text: 'every message ends', isKept: isSettled },
        { text: `${unanswered} requests never answered`, isKept: unanswered === 0 },
        { text: `unknown ${verdict.unknown}, promised 0`, isKept: verdict.unknown === 0 },
      ],
      measures: { kills, tries: client.report.tries, replays: client.report.replays },
    };
  },
};
