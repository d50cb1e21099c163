import type { Log } from '../runtime/log.ts';
import type { AcceptanceFile, AcceptedLine } from './acceptance-file.ts';
import type { AppendFile } from './append-file.ts';
import type { Faults } from './faults.ts';
import { disturb, planEvents, type PlannedEvent } from './plan-events.ts';
import { WebhookClient } from './post-webhook.ts';
import type { WebhookStyle } from './provider.ts';
import type { Switches } from './switches.ts';
import { TimeWheel } from './time-wheel.ts';
import type { WebhookRegistry } from './webhook-registry.ts';

const FLUSH_EVERY_MS = 100;
const POSTS_IN_FLIGHT_PER_ACCOUNT = 8;

interface Parts {
  log: Log;
  faults: Faults;
  switches: Switches;
  registry: WebhookRegistry;
  accepted: AcceptanceFile;
  /** Numbers of acceptance lines whose events are all posted or given up. */
  settled: AppendFile;
  styles: ReadonlyMap<string, WebhookStyle>;
}

/** A recipient whose events are under way. */
interface Reported {
  line: AcceptedLine;
  openEvents: number;
}

interface DueEvent extends PlannedEvent {
  of: Reported;
}

interface Batch {
  target: Target;
  events: DueEvent[];
  firstMs: number;
  attempt: number;
}

/** One account's posts: a few at once, the others wait. */
interface Target {
  provider: string;
  account: string;
  style: WebhookStyle;
  waiting: Batch[];
  inFlight: number;
}

/**
 * Posts what became of accepted mails. It keeps no file of events: what is open is what the acceptance file says minus
 * what is settled, and an event's id is made from its line, so a restart posts at least once and with the same ids.
 */
export class EventReporter {
  readonly #parts: Parts;
  readonly #client = new WebhookClient();
  readonly #wheel = new TimeWheel<DueEvent>();
  readonly #targets = new Map<string, Target>();
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #timer: NodeJS.Timeout;
  readonly counters = { open: 0, posted: 0, posts: 0, failedPosts: 0, givenUp: 0 };
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  isWatching(provider: string, account: string): boolean {
    return this.#parts.registry.findUrl(provider, account) !== undefined;
  }

  /** Takes up what the last run left open. */
  async resume(): Promise<void> {
    if (!this.#parts.registry.hasTargets) return;
    const settled = await this.#readSettled();
    for await (const line of this.#parts.accepted.read())
      if (line.report !== undefined && !settled.has(line.n)) this.plan(line);
  }

  /** Plans the events of one accepted recipient; nothing where nobody listened when it was accepted. */
  plan(line: AcceptedLine): void {
    if (line.report === undefined) return;
    const { provider, account, recipient, callId } = line;
    const plan = planEvents(recipient, Date.parse(line.at), this.#parts.switches.eventDelayMs);
    const found = this.#parts.faults.takeEvents({
      provider,
      account,
      callId,
      recipients: [recipient],
    });
    const events = found ? disturb(plan, found.fault, found.random) : plan;
    if (events.length === 0) {
      this.#settle([line.n]);
      return;
    }
    const of: Reported = { line, openEvents: events.length };
    this.counters.open += events.length;
    for (const event of events) this.#wheel.add(event.dueMs, { ...event, of });
  }

  /** Posts whatever waited for a pause to end. */
  wake(): void {
    for (const target of this.#targets.values()) this.#pump(target);
  }

  /** Stops posting; what is open is taken up by the next start. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const timer of this.#retries) clearTimeout(timer);
    this.#client.close();
  }

  #flush(): void {
    if (this.#parts.switches.webhooksPaused) return;
    const byTarget = new Map<Target, DueEvent[]>();
    for (const event of this.#wheel.take(Date.now())) {
      const target = this.#targetOf(event.of.line);
      if (target === undefined) continue;
      const events = byTarget.get(target);
      if (events) events.push(event);
      else byTarget.set(target, [event]);
    }
    for (const [target, events] of byTarget) {
      for (let from = 0; from < events.length; from += target.style.maxEventsPerPost) {
        const some = events.slice(from, from + target.style.maxEventsPerPost);
        target.waiting.push({ target, events: some, firstMs: Date.now(), attempt: 0 });
      }
      this.#pump(target);
    }
  }

  #targetOf({ provider, account }: AcceptedLine): Target | undefined {
    const key = `${provider}/${account}`;
    const known = this.#targets.get(key);
    if (known) return known;
    const style = this.#parts.styles.get(provider);
    if (style === undefined) return undefined;
    const target: Target = { provider, account, style, waiting: [], inFlight: 0 };
    this.#targets.set(key, target);
    return target;
  }

  #pump(target: Target): void {
    while (target.inFlight < POSTS_IN_FLIGHT_PER_ACCOUNT) {
      if (this.#isClosed || this.#parts.switches.webhooksPaused) return;
      const batch = target.waiting.shift();
      if (batch === undefined) return;
      target.inFlight += 1;
      void this.#post(batch).finally(() => {
        target.inFlight -= 1;
        this.#pump(target);
      });
    }
  }

  async #post(batch: Batch): Promise<void> {
    const { target, events } = batch;
    const url = this.#parts.registry.findUrl(target.provider, target.account);
    if (url === undefined) {
      this.#finish(batch, 'givenUp');
      return;
    }
    this.counters.posts += 1;
    batch.attempt += 1;
    const keys = this.#parts.registry.keysOf(target.provider);
    const payloads = events.map(({ of, step, index, dueMs }) =>
      target.style.toEvent(of.line, step, index, new Date(dueMs)),
    );
    try {
      const status = await this.#client.post(url, target.style.toPost(payloads, keys, new Date()));
      if (target.style.isTaken(status)) this.#finish(batch, 'posted');
      else this.#retry(batch, `status ${status}`);
    } catch (error) {
      this.#retry(batch, error instanceof Error ? error.message : 'no answer');
    }
  }

  #retry(batch: Batch, reason: string): void {
    if (this.#isClosed) return;
    this.counters.failedPosts += 1;
    const { target, attempt, firstMs } = batch;
    if (Date.now() - firstMs > target.style.giveUpAfterMs) {
      this.#finish(batch, 'givenUp');
      return;
    }
    const delayMs = target.style.retryDelayMs(attempt);
    const { provider, account } = target;
    this.#parts.log.debug({ provider, account, attempt, reason, delayMs }, 'webhook post failed');
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      target.waiting.push(batch);
      this.#pump(target);
    }, delayMs);
    this.#retries.add(timer);
  }

  #finish({ events }: Batch, how: 'posted' | 'givenUp'): void {
    this.counters[how] += events.length;
    this.counters.open -= events.length;
    for (const { of } of events) of.openEvents -= 1;
    const done = new Set(events.map(({ of }) => of).filter((of) => of.openEvents === 0));
    this.#settle([...done].map(({ line }) => line.n));
  }

  #settle(numbers: number[]): void {
    if (numbers.length === 0 || this.#isClosed) return;
    // Not written means posted again after a restart, with the same ids.
    this.#parts.settled
      .append(`${JSON.stringify(numbers)}\n`)
      .catch((err: unknown) => this.#parts.log.warn({ err }, 'settled events were not noted'));
  }

  async #readSettled(): Promise<Set<number>> {
    const settled = new Set<number>();
    for await (const text of this.#parts.settled.readLines())
      for (const n of JSON.parse(text) as number[]) settled.add(n);
    return settled;
  }
}
