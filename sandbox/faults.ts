import { z } from 'zod';
import { accountOfKey } from './account.ts';
import { effectSchema, type Effect } from './effect.ts';
import { seededRandom } from './random.ts';

const webhookFaultSchema = z.strictObject({
  /** Extra deliveries of each event. */
  duplicate: z.number().int().min(0).max(20).optional(),
  delayMs: z.number().int().min(0).max(86_400_000).optional(),
  reorder: z.boolean().optional(),
  /** Share of events that are never posted. */
  loseShare: z.number().min(0).max(1).optional(),
});
export type WebhookFault = z.infer<typeof webhookFaultSchema>;

/** Where a call is met. HTTP providers know only `message`, SMTP has the others before it. */
const stages = ['greeting', 'login', 'sender', 'recipient', 'message'] as const;
export type Stage = (typeof stages)[number];

export const faultSchema = z
  .strictObject({
    provider: z.string().optional(),
    match: z
      .strictObject({
        /** API key, its hash, or SMTP user. */
        account: z.string().optional(),
        /** Address; `*` stands for any text. */
        recipient: z.string().optional(),
        callId: z.string().optional(),
      })
      .default({}),
    probability: z.number().min(0).max(1).default(1),
    /** The same seed hits the same calls again, counted in order of arrival. */
    seed: z.number().int().default(1),
    /** Hits after which it is over. */
    times: z.number().int().positive().optional(),
    stage: z.enum(stages).default('message'),
    then: effectSchema.optional(),
    webhooks: webhookFaultSchema.optional(),
  })
  .refine((fault) => (fault.then === undefined) !== (fault.webhooks === undefined), {
    message: 'give either `then` (what a call meets) or `webhooks` (what events meet)',
  });
type FaultScript = z.infer<typeof faultSchema>;

interface Fault {
  id: string;
  script: FaultScript;
  hits: number;
  random: () => number;
  matchesRecipient: (address: string) => boolean;
}

/** What is known about a call at its stage. */
export interface FaultSubject {
  provider: string;
  account?: string;
  recipients?: readonly string[];
  callId?: string | null;
}

/** The fault scripts in force, oldest first; the first that matches and hits decides. */
export class Faults {
  #faults: Fault[] = [];
  #lastId = 0;

  add(script: FaultScript): string {
    this.#lastId += 1;
    const id = `fault-${this.#lastId}`;
    this.#faults.push({
      id,
      script,
      hits: 0,
      random: seededRandom(script.seed),
      matchesRecipient: addressMatcher(script.match.recipient),
    });
    return id;
  }

  list() {
    return this.#faults.map(({ id, hits, script }) => ({ id, hits, ...script }));
  }

  clear(id?: string): void {
    this.#faults = id === undefined ? [] : this.#faults.filter((fault) => fault.id !== id);
  }

  takeCall(stage: Stage, subject: FaultSubject): Effect | undefined {
    return this.#take(subject, ({ then, stage: at }) => then !== undefined && at === stage)?.script
      .then;
  }

  /** The fault of one recipient's events and the random numbers to apply it with. */
  takeEvents(subject: FaultSubject): { fault: WebhookFault; random: () => number } | undefined {
    const found = this.#take(subject, ({ webhooks }) => webhooks !== undefined);
    return found?.script.webhooks && { fault: found.script.webhooks, random: found.random };
  }

  #take(subject: FaultSubject, isOfKind: (script: FaultScript) => boolean): Fault | undefined {
    for (const fault of this.#faults) {
      if (!isOfKind(fault.script) || !matches(fault, subject)) continue;
      if (fault.script.times !== undefined && fault.hits >= fault.script.times) continue;
      if (fault.script.probability < 1 && fault.random() >= fault.script.probability) continue;
      fault.hits += 1;
      return fault;
    }
    return undefined;
  }
}

function matches({ script, matchesRecipient }: Fault, subject: FaultSubject): boolean {
  const { account, recipient, callId } = script.match;
  if (script.provider !== undefined && script.provider !== subject.provider) return false;
  if (
    account !== undefined &&
    account !== subject.account &&
    accountOfKey(account) !== subject.account
  )
    return false;
  if (callId !== undefined && callId !== subject.callId) return false;
  return recipient === undefined || (subject.recipients ?? []).some(matchesRecipient);
}

function addressMatcher(pattern = '*'): (address: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('.*')}$`, 'i');
  return (address) => expression.test(address);
}
