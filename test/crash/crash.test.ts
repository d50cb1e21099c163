import assert from 'node:assert/strict';
import { formatVerdict } from '../oracle/check.ts';
import { cases, type CaseName } from './cases/index.ts';
import type { RunOptions } from './run.ts';
import { startCrashStack, type CrashStack } from './stack.ts';

// Few and small: `npm run crash` does many and large ones. What depends on how fast the machine is stays there.
const runs: (Pick<RunOptions, 'seed' | 'provider' | 'honours' | 'messages'> & {
  name: CaseName;
})[] = [
  { name: 'F01', seed: 1, provider: 'sendgrid', honours: true, messages: 15 },
  { name: 'F01', seed: 2, provider: 'smtp', honours: false, messages: 15 },
  { name: 'F02', seed: 1, provider: 'sendgrid', honours: false, messages: 20 },
  { name: 'F02', seed: 2, provider: 'smtp', honours: false, messages: 20 },
  { name: 'F05', seed: 1, provider: 'sendgrid', honours: false, messages: 15 },
  { name: 'F05', seed: 2, provider: 'smtp', honours: false, messages: 15 },
  { name: 'STOP', seed: 1, provider: 'sendgrid', honours: false, messages: 15 },
];

describe('the platform, killed in the middle of sending', function () {
  this.timeout(180_000);
  let stack: CrashStack;

  before(async () => {
    stack = await startCrashStack(process.env);
  });
  after(() => stack.close());

  for (const { name, ...options } of runs) {
    const { seed, provider, honours } = options;
    it(`${name}: ${cases[name].summary} (${provider}, ${honours ? 'honours call ids' : 'plain'}, seed ${seed})`, async () => {
      const said: string[] = [];
      const { verdict, promises } = await cases[name].run(stack, {
        ...options,
        say: (line) => said.push(line),
      });
      assert.ok(verdict.accepted >= options.messages, 'the run sent something');
      const broken = promises
        .filter(({ isKept, isTime }) => !isKept && !isTime)
        .map(({ text }) => text);
      const story = [formatVerdict(verdict), ...verdict.findings, ...said].join('\n');
      assert.deepEqual(broken, [], story);
    });
  }
});
