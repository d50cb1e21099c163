import { Customer, type Message, type Timeline } from './customer.ts';
import { follow } from './follow.ts';
import { countInClickHouse, type Counts } from './reports.ts';
import type { RunningStack } from './running-stack.ts';
import { tableOf, type Screen } from './screen.ts';

const FOLLOW_FOR_MS = 30_000;
const CLICKHOUSE_WITHIN_MS = 30_000;

interface DemoMail {
  label: string;
  input: object;
  expected: { status: string; recipient: string; bounceKind?: string; clicked?: true };
}

const from = 'Acme <hello@acme.test>';
const welcome = (firstName: string) => ({
  from,
  template: { key: 'welcome' },
  variables: { firstName, startUrl: 'https://acme.test/start' },
});

const mails: DemoMail[] = [
  {
    label: 'welcome, by template',
    input: { ...welcome('Ada'), to: 'ada@example.com', routing: { account: 'sendgrid' } },
    expected: { status: 'sent', recipient: 'delivered' },
  },
  {
    label: 'by SMTP',
    input: {
      from,
      to: 'grace@example.com',
      subject: 'Hello {{ name }}',
      text: 'Dear {{ name }}, this one goes by SMTP, which reports no delivery.',
      variables: { name: 'Grace' },
      routing: { account: 'smtp' },
    },
    expected: { status: 'sent', recipient: 'sent' },
  },
  {
    label: 'bounces',
    input: { ...welcome('Bob'), to: 'bounce@example.com', routing: { account: 'sendgrid' } },
    expected: { status: 'sent', recipient: 'bounced', bounceKind: 'hard' },
  },
  {
    label: 'opened and clicked',
    input: { ...welcome('Carol'), to: 'click@example.com', routing: { account: 'sendgrid' } },
    expected: { status: 'sent', recipient: 'delivered', clicked: true },
  },
];

/** What ClickHouse must count. */
const expectedCounts: Counts[] = [
  { provider: 'sendgrid', messages: 3, sent: 3, delivered: 2, bounced: 1, opened: 1, clicked: 1 },
  { provider: 'smtp', messages: 1, sent: 1, delivered: 0, bounced: 0, opened: 0, clicked: 0 },
];

/** Four mails to the sandbox, followed to their end, then counted in three ways. Returns what was not as expected. */
export async function runDeliveries(stack: RunningStack, screen: Screen): Promise<string[]> {
  const customer = new Customer(stack);
  const tag = `demo-${Date.now().toString(36)}`;
  screen.write(`Sending ${mails.length} mails to the sandbox (tag ${tag}).\n\n`);
  const sent = await Promise.all(
    mails.map(({ label, input }) =>
      customer.send({ ...input, tags: [tag] }, `${tag}/${label.replaceAll(' ', '-')}`),
    ),
  );
  const messages = await follow(
    customer,
    mails.map((mail, i) => ({
      label: mail.label,
      id: sent[i]?.id ?? '',
      isDone: (message) => deviation(mail, message) === undefined,
    })),
    screen,
    FOLLOW_FOR_MS,
  );
  const problems = mails.flatMap((mail, i) => deviation(mail, messages[i]) ?? []);

  const timelines = await Promise.all(messages.map(({ id }) => customer.getTimeline(id)));
  screen.write(`\n${messageTable(messages, timelines)}\n`);
  problems.push(...(await compareClickHouse(stack, tag, screen)));
  const since = new Date(Math.min(...sent.map(({ createdAt }) => createdAt.getTime())));
  problems.push(...(await checkBalance(customer, since, screen)));
  screen.write(`\nThe mails as they arrived: ${stack.sandboxUrl}\n`);
  return problems;
}

function deviation({ label, expected }: DemoMail, message?: Message): string | undefined {
  if (message === undefined) return `${label}: it was not found.`;
  const [{ status, bounceKind, clickedAt }] = message.recipients;
  const seen = {
    status: message.status,
    recipient: status,
    ...(expected.bounceKind !== undefined && { bounceKind }),
    ...(expected.clicked && { clicked: clickedAt !== null }),
  };
  if (JSON.stringify(seen) === JSON.stringify(expected)) return undefined;
  return `${label} (${message.id}): ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}.`;
}

function messageTable(messages: Message[], timelines: Timeline[]): string {
  const since = (from: Date, to: Date | undefined) =>
    to === undefined ? '–' : `${to.getTime() - from.getTime()} ms`;
  return tableOf(
    ['message', 'provider', 'status', 'to provider', 'to delivered', 'run in the Temporal Web UI'],
    messages.map((message, i) => [
      message.id,
      message.provider ?? '–',
      message.recipients[0].status,
      since(message.createdAt, message.attempts[0]?.at),
      since(message.createdAt, timelines[i] && deliveryHeardAt(timelines[i])),
      message.workflowUrl ?? '–',
    ]),
  );
}

/** When the report of the delivery reached us: the time that SendGrid puts into it has whole seconds only. */
function deliveryHeardAt({ entries }: Timeline): Date | undefined {
  const event = entries.find(({ event: candidate }) => candidate?.type === 'delivered')?.event;
  return event && new Date(event.receivedAt);
}

async function compareClickHouse(stack: RunningStack, tag: string, screen: Screen) {
  const isComplete = (counts: Counts[]) =>
    JSON.stringify(counts) === JSON.stringify(expectedCounts);
  const { counts, ms } = await countInClickHouse(stack, tag, isComplete, CLICKHOUSE_WITHIN_MS);
  screen.write(`The same from ClickHouse by SQL, complete ${(ms / 1_000).toFixed(1)} s later:\n\n`);
  const header = Object.keys(expectedCounts[0] ?? {});
  screen.write(
    `${tableOf(
      header,
      counts.map((row) => Object.values(row).map(String)),
    )}\n`,
  );
  if (isComplete(counts)) return [];
  return [`ClickHouse counts ${JSON.stringify(counts)}, not ${JSON.stringify(expectedCounts)}.`];
}

/** Do the books balance? Others may be sending too, so the sum is compared, not the numbers. */
async function checkBalance(customer: Customer, since: Date, screen: Screen): Promise<string[]> {
  const balance = await customer.getBalance(since);
  const states = Object.entries(balance.recipients).filter(([, n]) => n > 0);
  const sum = states.reduce((total, [, n]) => total + n, 0);
  screen.write(
    `The balance since then: accepted ${balance.accepted} = ` +
      `${states.map(([state, n]) => `${n} ${state}`).join(' + ')}; ` +
      `unexplained ${balance.unexplained}, sent twice ${balance.duplicateDetected}.\n`,
  );
  const isGood =
    balance.unexplained === 0 &&
    balance.duplicateDetected === 0 &&
    balance.accepted === sum &&
    sum >= mails.length;
  return isGood ? [] : [`The books do not balance: ${JSON.stringify(balance)}.`];
}
