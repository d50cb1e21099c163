import { setTimeout as sleep } from 'node:timers/promises';
import { requestRestart, withdrawRestart } from '../../local/restart-request.ts';
import { Customer, type Message, type Timeline } from './customer.ts';
import { follow } from './follow.ts';
import { findRunningStack, type RunningStack } from './running-stack.ts';
import { answerLate, countAcceptances } from './sandbox.ts';
import { tableOf, type Screen } from './screen.ts';

const ANSWER_AFTER_MS = 9_000;
const ACCEPTED_WITHIN_MS = 8_000;
const WORKER_BACK_WITHIN_MS = 60_000;
const FOLLOW_FOR_MS = 90_000;

interface CrashMail {
  label: string;
  account: string;
  /** How it must end, and who told. */
  expected: { status: string; recipient: string; reconciledBy: string | null };
}

const mails: CrashMail[] = [
  {
    label: 'by SendGrid',
    account: 'sendgrid',
    expected: { status: 'sent', recipient: 'delivered', reconciledBy: 'event' },
  },
  {
    label: 'by SMTP',
    account: 'smtp',
    expected: { status: 'unknown', recipient: 'unknown', reconciledBy: null },
  },
];

/**
 * Kills the worker when the provider has the mail and the worker does not know it yet: nobody can tell then whether it
 * was sent. Shows what the platform says and does. Returns what was not as expected.
 */
export async function runCrash(stack: RunningStack, screen: Screen): Promise<string[]> {
  const customer = new Customer(stack);
  const say = (text: string) => screen.write(`${text}\n`);
  requestRestart(stack.runDir, 'worker', stack.workerPid);
  try {
    const sent = await sendIntoSilence(stack, customer, say);
    process.kill(stack.workerPid, 'SIGKILL');
    say(`2. Both are in the sandbox's acceptance list: kill -9 ${stack.workerPid}, the worker.`);
    say('   What the platform says while no worker runs:\n');
    const early = await Promise.all(sent.map(({ id }) => customer.getMessage(id)));
    for (const mail of sent) await showStory(customer, mail, say);

    const workerPid = await untilWorkerIsBack(stack);
    say(
      `3. The supervisor has started another worker, pid ${workerPid}. It does not send again: it`,
    );
    say(
      '   waits until no answer can come any more. What the provider reports by webhook says what it',
    );
    say('   did: SendGrid reports, SMTP does not, and then nobody can know.\n');
    const followed = sent.map((mail) => ({
      ...mail,
      isDone: (message: Message) => deviation(mail, message) === undefined,
    }));
    const messages = await follow(customer, followed, screen, FOLLOW_FOR_MS);

    say('\n4. How it ended:\n');
    for (const mail of sent) {
      await showStory(customer, mail, say);
      say(timelineTable(await customer.getTimeline(mail.id)));
    }
    return [
      ...early.flatMap((message) => earlyProblem(message) ?? []),
      ...sent.flatMap((mail, i) => deviation(mail, messages[i]) ?? []),
      ...compareAcceptances(stack, sent, messages, screen),
      ...(await checkBalance(customer, sent, say)),
    ];
  } finally {
    withdrawRestart(stack.runDir, 'worker');
  }
}

type SentMail = CrashMail & { id: string; createdAt: Date };

/** Sends the mails and returns when the provider has them, seconds before it will say so. */
async function sendIntoSilence(
  stack: RunningStack,
  customer: Customer,
  say: (text: string) => void,
): Promise<SentMail[]> {
  const run = `crash-${Date.now().toString(36)}`;
  const to = `${run}@example.com`;
  say(`1. Two mails to ${to}. The sandbox takes each at once, but answers only`);
  say(
    `   ${ANSWER_AFTER_MS / 1_000} s later: in between the mail is sent and nobody here knows it.\n`,
  );
  await answerLate(stack, { recipient: to, latencyMs: ANSWER_AFTER_MS, times: mails.length });
  const sent = await Promise.all(
    mails.map(async (mail) => ({
      ...mail,
      ...(await customer.send(mailBy(mail.account, to), `${run}/${mail.account}`)),
    })),
  );
  const until = Date.now() + ACCEPTED_WITHIN_MS;
  while (!sent.every(({ id }) => countAcceptances(stack, id) > 0)) {
    if (Date.now() > until)
      throw new Error('The sandbox did not get both mails in time; nothing was killed.');
    await sleep(20);
  }
  return sent;
}

function mailBy(account: string, to: string): object {
  return {
    from: 'Acme <hello@acme.test>',
    to,
    subject: 'The worker dies while this is sent',
    text: 'Nobody heard whether it was.',
    routing: { account },
  };
}

async function untilWorkerIsBack(stack: RunningStack): Promise<number> {
  const until = Date.now() + WORKER_BACK_WITHIN_MS;
  for (;;) {
    const { workerPid } = findRunningStack();
    if (workerPid !== stack.workerPid) return workerPid;
    if (Date.now() > until) throw new Error('The supervisor started no other worker.');
    await sleep(100);
  }
}

/** While the answer is out, nothing may be claimed about it. */
function earlyProblem({ id, status, attempts }: Message): string | undefined {
  const outcomes = attempts.map(({ outcome }) => outcome).join();
  if (status === 'sending' && outcomes === 'claimed') return undefined;
  return `${id} was ${status} with outcomes "${outcomes}" right after the kill: it fell at another moment.`;
}

function deviation({ label, expected }: CrashMail, message?: Message): string | undefined {
  const seen = {
    status: message?.status,
    recipient: message?.recipients[0].status,
    reconciledBy: message?.attempts[0]?.reconciledBy,
  };
  const isOnce = message?.attempts.length === 1 && !message.duplicateDetected;
  if (isOnce && JSON.stringify(seen) === JSON.stringify(expected)) return undefined;
  return `${label}: ${JSON.stringify(seen)} in ${message?.attempts.length ?? 0} attempts instead of ${JSON.stringify(expected)} in one.`;
}

function compareAcceptances(
  stack: RunningStack,
  sent: SentMail[],
  messages: Message[],
  screen: Screen,
): string[] {
  const counts = sent.map(({ id }) => countAcceptances(stack, id));
  screen.write("5. The sandbox's acceptance list, which knows what was really sent:\n\n");
  const rows = sent.map(({ id, account }, i) => [
    id,
    account,
    `${counts[i] ?? 0} ×`,
    messages[i]?.recipients[0].status ?? '',
  ]);
  screen.write(`${tableOf(['message', 'account', 'accepted', 'the platform says'], rows)}\n`);
  return sent.flatMap(({ id }, i) =>
    counts[i] === 1 ? [] : [`${id} was accepted ${counts[i] ?? 0} times, not once.`],
  );
}

async function checkBalance(
  customer: Customer,
  sent: SentMail[],
  say: (text: string) => void,
): Promise<string[]> {
  const since = new Date(Math.min(...sent.map(({ createdAt }) => createdAt.getTime())));
  const { accepted, unexplained } = await customer.getBalance(since);
  say(`   The balance since then: accepted ${accepted}, unexplained ${unexplained}.`);
  return unexplained === 0 ? [] : [`The balance has ${unexplained} unexplained.`];
}

async function showStory(
  customer: Customer,
  { id, label }: SentMail,
  say: (text: string) => void,
): Promise<void> {
  const [{ status }, { verdict, couldBeDoubled, next }] = await Promise.all([
    customer.getMessage(id),
    customer.explain(id),
  ]);
  say(`   ${label}, ${id}`);
  say(`     status    ${status}`);
  say(`     explain   ${verdict} Could be doubled: ${couldBeDoubled}.`);
  if (next !== null) say(`     next      ${next.what}${next.at === null ? '' : ` By ${next.at}.`}`);
  say('');
}

/** Kind and details of each entry, shortened to what matters here. */
function timelineTable({ entries }: Timeline): string {
  const shown = ['account', 'answerBy', 'outcome', 'class', 'type', 'receivedAt', 'by', 'status'];
  return tableOf(
    ['at', 'what', ''],
    entries.map((entry) => {
      const details = Object.entries((entry[entry.kind] ?? {}) as Record<string, unknown>)
        .filter(([name, value]) => shown.includes(name) && value !== null)
        .map(([name, value]) => `${name} ${String(value)}`);
      return [entry.at.toISOString().slice(11, 23), entry.kind, details.join(', ')];
    }),
  );
}
