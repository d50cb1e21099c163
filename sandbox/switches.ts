import { join } from 'node:path';
import { z } from 'zod';
import { readState, writeState } from './state-file.ts';

const storedSchema = z.strictObject({
  /** Kinds of the providers that treat our call id as an idempotency key. */
  honouring: z.array(z.string()).default([]),
  /** Distance between two events of a mail. */
  eventDelayMs: z.number().int().min(0).max(3_600_000).default(150),
  webhooksPaused: z.boolean().default(false),
});

export const changeSchema = z.strictObject({
  honoursCallId: z.boolean().optional(),
  /** Limits `honoursCallId` to one provider. */
  provider: z.string().optional(),
  eventDelayMs: storedSchema.shape.eventDelayMs.unwrap().optional(),
  webhooksPaused: z.boolean().optional(),
});

/** What can be switched while the sandbox runs; kept over a restart. */
export class Switches {
  readonly #path: string;
  #stored: z.infer<typeof storedSchema>;

  private constructor(path: string, stored: z.infer<typeof storedSchema>) {
    this.#path = path;
    this.#stored = stored;
  }

  static async open(folder: string): Promise<Switches> {
    const path = join(folder, 'settings.json');
    return new Switches(path, (await readState(path, storedSchema)) ?? storedSchema.parse({}));
  }

  get eventDelayMs() {
    return this.#stored.eventDelayMs;
  }

  get webhooksPaused() {
    return this.#stored.webhooksPaused;
  }

  get honoursAny() {
    return this.#stored.honouring.length > 0;
  }

  honours(provider: string): boolean {
    return this.#stored.honouring.includes(provider);
  }

  /** As `GET /sandbox/settings` shows them. */
  show(providers: readonly string[]) {
    return {
      honoursCallId: Object.fromEntries(providers.map((kind) => [kind, this.honours(kind)])),
      eventDelayMs: this.eventDelayMs,
      webhooksPaused: this.webhooksPaused,
    };
  }

  async change(change: z.infer<typeof changeSchema>, providers: readonly string[]): Promise<void> {
    const touched = change.provider === undefined ? providers : [change.provider];
    const honouring = new Set(this.#stored.honouring);
    if (change.honoursCallId === true) for (const kind of touched) honouring.add(kind);
    if (change.honoursCallId === false) for (const kind of touched) honouring.delete(kind);
    this.#stored = {
      honouring: [...honouring],
      eventDelayMs: change.eventDelayMs ?? this.eventDelayMs,
      webhooksPaused: change.webhooksPaused ?? this.webhooksPaused,
    };
    await writeState(this.#path, this.#stored);
  }
}
