import { parseArgs } from 'node:util';
import { startEngines } from '../engines.ts';
import { formatVerdict } from '../oracle/check.ts';
import { cases, type CaseName } from './cases/index.ts';
import type { RunOptions, RunResult } from './run.ts';
import { startCrashStack, type CrashStack } from './stack.ts';

const help = `Kills parts of the platform in the middle of sending and lets an oracle judge what is left.

  npm run crash -- [--case NAME] [--runs 1] [--seed 1] [--messages 200]
                   [--provider sendgrid|smtp] [--honours | --plain] [--verbose] [--keep]

  --case       ${Object.entries(cases)
    .map(([name, { summary }]) => `${name}: ${summary}`)
    .join('\n               ')}
               Without it all of them, one after the other.
  --runs       Runs of each case; run i has the seed --seed + i - 1.
  --seed       What is killed, when, and what the clients do is drawn from it.
  --messages   Messages of each run, with one to three recipients each.
  --provider   Which of the sandbox's providers sends.
  --honours    The provider takes our call id as an idempotency key: nothing may stay unknown.
  --plain      It does not (the default).
  --verbose    Every kill as it happens, and the timelines of messages that are not in order.
  --keep       Leaves the folder with the logs and the acceptance file.

It ends with 1 when anything is not as promised.
`;

const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    runs: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    messages: { type: 'string', default: '200' },
    provider: { type: 'string', default: 'sendgrid' },
    honours: { type: 'boolean', default: false },
    plain: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

interface Row {
  name: string;
  seed: number;
  seconds: number;
  result: RunResult | { error: string };
}

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const plan = planOrComplain();
  if (!plan) return 1;
  console.log('starting PostgreSQL, Temporal, ClickHouse, sandbox, api and worker …');
  const engines = await startEngines();
  let stack: CrashStack | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      await stack?.close();
      await engines.stop();
    })());
  const onSignal = () => {
    console.log('\nstopping …');
    const end = () => process.exit(130);
    stop().then(end, end);
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const rows: Row[] = [];
  try {
    stack = await startCrashStack(engines.environment, { keepsFolder: values.keep });
    if (values.keep) console.log(`logs: ${stack.logDir}`);
    for (const { name, options } of plan) rows.push(await runOne(stack, name, options));
  } finally {
    await stop();
  }
  printTable(rows);
  return rows.every(isGood) ? 0 : 1;
}

function planOrComplain(): ReturnType<typeof readPlan> | undefined {
  try {
    return readPlan();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

function readPlan(): { name: CaseName; options: RunOptions }[] {
  const count = (name: 'runs' | 'seed' | 'messages') => {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`--${name}: ${values[name]} is not a whole number from 1 on.`);
    return number;
  };
  const { provider } = values;
  if (provider !== 'sendgrid' && provider !== 'smtp')
    throw new Error(`--provider: ${provider} is neither sendgrid nor smtp.`);
  if (values.honours && values.plain) throw new Error('--honours and --plain exclude each other.');
  const names = Object.keys(cases) as CaseName[];
  const wanted = names.filter((name) => values.case === undefined || name === values.case);
  if (wanted.length === 0)
    throw new Error(`--case: ${values.case ?? ''} is not one of ${names.join(', ')}.`);
  const say = (line: string) => {
    if (values.verbose) console.log(`    ${line}`);
  };
  const [runs, seed, messages] = [count('runs'), count('seed'), count('messages')];
  const { honours } = values;
  return wanted.flatMap((name) =>
    Array.from({ length: runs }, (_, i) => ({
      name,
      options: { seed: seed + i, messages, provider, honours, say },
    })),
  );
}

async function runOne(stack: CrashStack, name: CaseName, options: RunOptions): Promise<Row> {
  const { seed, messages, provider, honours } = options;
  console.log(
    `${name} seed ${seed}: ${messages} messages, ${provider}, ${honours ? 'honours call ids' : 'plain'}`,
  );
  const from = performance.now();
  const seconds = () => Math.round((performance.now() - from) / 1_000);
  try {
    const result = await cases[name].run(stack, options);
    const row = { name, seed, seconds: seconds(), result };
    console.log(`  ${formatVerdict(result.verdict)}`);
    if (values.verbose) console.log(`  ${tell(result.measures)}`);
    for (const { text, isKept } of result.promises)
      if (!isKept) console.log(`  NOT AS PROMISED: ${text}`);
    for (const finding of result.verdict.findings.slice(0, 20)) console.log(`  ${finding}`);
    if (!isGood(row)) tellLogs(stack);
    return row;
  } catch (error) {
    console.log(
      `  FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    tellLogs(stack);
    return { name, seed, seconds: seconds(), result: { error: String(error) } };
  }
}

function isGood({ result }: Row): boolean {
  return 'verdict' in result && result.promises.every(({ isKept }) => isKept);
}

function tellLogs({ api, worker, secondWorker }: CrashStack): void {
  for (const service of [api, worker, secondWorker]) console.log(service.logTail());
}

function tell(measures: RunResult['measures']): string {
  return Object.entries(measures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function printTable(rows: Row[]): void {
  console.log('\ncase  seed  s    result');
  for (const row of rows) {
    const { name, seed, seconds, result } = row;
    const head = `${name.padEnd(5)} ${`${seed}`.padEnd(5)} ${`${seconds}`.padEnd(4)}`;
    const text =
      'verdict' in result
        ? `${formatVerdict(result.verdict)}  (${tell(result.measures)})`
        : result.error;
    console.log(`${head} ${isGood(row) ? 'ok ' : 'BAD'} ${text}`);
  }
}
