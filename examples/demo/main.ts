import { runCrash } from './crash.ts';
import { runDeliveries } from './deliveries.ts';
import { findRunningStack } from './running-stack.ts';

// `npm run demo` sends mails to the sandbox and follows them; `npm run demo -- crash` kills the worker in the middle.

const demos = { deliveries: runDeliveries, crash: runCrash };

const [name = 'deliveries'] = process.argv.slice(2);
try {
  if (!Object.hasOwn(demos, name))
    throw new Error(`There is no demo ${name}: \`npm run demo\`, or \`npm run demo -- crash\`.`);
  const problems = await demos[name as keyof typeof demos](findRunningStack(), process.stdout);
  for (const problem of problems) console.error(`NOT AS EXPECTED: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
