import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ClientRequest } from '../oracle/check.ts';

export interface ClientOptions {
  apiUrl: string;
  apiKey: string;
  messages: number;
  perSecond: number;
  /** Name of the account that must send. */
  account: string;
  /** Marks the run: a tag on each message, and the domain of its recipients. */
  tag: string;
  domain: string;
  random: () => number;
  /** Share of tries whose answer the client does not wait for: it hangs up and asks again. */
  hangUpShare?: number;
}

export interface ClientReport {
  requests: ClientRequest[];
  /** Every 2xx: when it was asked for, and how long it took. */
  answers: { askedAt: number; ms: number }[];
  tries: number;
  /** Answers that the API gave a second time. */
  replays: number;
}

export interface Client {
  report: ClientReport;
  /** Settles when every request has its answer. */
  done: Promise<void>;
  /** Sends one message now, beside the planned ones, and waits for its answer. */
  sendOne: () => Promise<string>;
}

const ANSWER_WITHIN_MS = 5_000;
const GIVE_UP_AFTER_MS = 120_000;
const answerSchema = z.object({ id: z.string() });

/**
 * A customer as we tell customers to be: every request has an idempotency key, and one without an answer is made again
 * under its key until there is one. It notes what was acknowledged.
 */
export function startClient(options: ClientOptions): Client {
  const report: ClientReport = { requests: [], answers: [], tries: 0, replays: 0 };
  const plan = (n: number): ClientRequest => {
    const count = 1 + Math.floor(options.random() * 3);
    const request = {
      key: `${options.tag}-${n}`,
      recipients: Array.from({ length: count }, (_, i) => `r${n}-${i}@${options.domain}`),
      acknowledgedIds: [],
    };
    report.requests.push(request);
    return request;
  };
  const sendAll = async () => {
    const sending: Promise<void>[] = [];
    for (let n = 1; n <= options.messages; n += 1) {
      sending.push(ask(options, report, plan(n)));
      await sleep((1_000 / options.perSecond) * (0.5 + options.random()));
    }
    await Promise.all(sending);
  };
  let extra = 0;
  return {
    report,
    done: sendAll(),
    sendOne: async () => {
      extra += 1;
      const request = plan(options.messages + extra);
      await ask(options, report, request);
      return request.acknowledgedIds[0] ?? '';
    },
  };
}

async function ask(options: ClientOptions, report: ClientReport, request: ClientRequest) {
  const deadline = Date.now() + GIVE_UP_AFTER_MS;
  for (;;) {
    const hangsUp = options.random() < (options.hangUpShare ?? 0);
    const waitMs = hangsUp ? 1 + options.random() * 30 : ANSWER_WITHIN_MS;
    const id = await tryOnce(options, report, request, waitMs);
    if (id !== undefined) request.acknowledgedIds.push(id);
    if (id !== undefined || Date.now() > deadline) return;
    await sleep(50 + options.random() * 250);
  }
}

/** The id of a 2xx; undefined for anything that a client repeats. Throws at a refusal: it would not go away. */
async function tryOnce(
  { apiUrl, apiKey, account, tag }: ClientOptions,
  report: ClientReport,
  { key, recipients }: ClientRequest,
  waitMs: number,
): Promise<string | undefined> {
  const [to, ...cc] = recipients;
  const [askedAt, from] = [Date.now(), performance.now()];
  report.tries += 1;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${apiUrl}/v1/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({
        from: 'hello@acme.test',
        to,
        cc,
        subject: `Mail ${key}`,
        text: 'Hello {{ name }}',
        html: '<p>Hello {{ name }}</p>',
        variables: { name: key },
        tags: [tag],
        metadata: { request: key },
        routing: { account },
      }),
      signal: AbortSignal.timeout(Math.ceil(waitMs)),
    });
    text = await response.text();
  } catch {
    return undefined;
  }
  if (response.status >= 500 || response.status === 409) return undefined;
  if (response.status !== 202) throw new Error(`${key}: ${response.status} ${text}`);
  if (response.headers.get('idempotency-replayed') === 'true') report.replays += 1;
  report.answers.push({ askedAt, ms: performance.now() - from });
  return answerSchema.parse(JSON.parse(text)).id;
}
