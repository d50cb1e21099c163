import { z } from 'zod';

const ANSWER_WITHIN_MS = 10_000;

const acceptedSchema = z.object({ id: z.string(), createdAt: z.coerce.date() });

const next = z.object({ what: z.string(), at: z.string().nullable() }).nullable();
const messageSchema = z.object({
  id: z.string(),
  status: z.string(),
  createdAt: z.coerce.date(),
  provider: z.string().nullable(),
  recipients: z.tuple([
    z.object({
      status: z.string(),
      bounceKind: z.string().nullable(),
      openedAt: z.string().nullable(),
      clickedAt: z.string().nullable(),
    }),
  ]),
  attempts: z.array(
    z.object({ outcome: z.string(), at: z.coerce.date(), reconciledBy: z.string().nullable() }),
  ),
  duplicateDetected: z.boolean(),
  workflowUrl: z.string().optional(),
});
const timelineSchema = z.object({
  entries: z.array(
    z.looseObject({
      at: z.coerce.date(),
      kind: z.string(),
      event: z.object({ type: z.string(), receivedAt: z.string() }).optional(),
    }),
  ),
  next,
});
const explanationSchema = z.object({
  verdict: z.string(),
  providerSaid: z.string().nullable(),
  couldBeDoubled: z.string(),
  next,
});
const balanceSchema = z.object({
  accepted: z.number(),
  inProgress: z.number(),
  recipients: z.record(z.string(), z.number()),
  duplicateDetected: z.number(),
  unexplained: z.number(),
});

interface CallInit {
  method?: 'POST';
  headers?: Record<string, string>;
  body?: string;
}

export type Message = z.infer<typeof messageSchema>;
export type Timeline = z.infer<typeof timelineSchema>;

/** What a customer does: calls of the public REST API with an API key. */
export class Customer {
  readonly #apiUrl: string;
  readonly #apiKey: string;

  constructor({ apiUrl, apiKey }: { apiUrl: string; apiKey: string }) {
    this.#apiUrl = apiUrl;
    this.#apiKey = apiKey;
  }

  /** Sending again with the same key sends nothing again. */
  send(input: object, idempotencyKey: string) {
    return this.#call(acceptedSchema, '/v1/messages', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify(input),
    });
  }

  getMessage(id: string) {
    return this.#call(messageSchema, `/v1/messages/${id}`);
  }

  getTimeline(id: string) {
    return this.#call(timelineSchema, `/v1/messages/${id}/timeline`);
  }

  explain(id: string) {
    return this.#call(explanationSchema, `/v1/messages/${id}/explain`);
  }

  getBalance(since: Date) {
    return this.#call(balanceSchema, `/v1/balance?since=${since.toISOString()}`);
  }

  async #call<T>(schema: z.ZodType<T>, path: string, request: CallInit = {}): Promise<T> {
    const response = await fetch(new URL(path, this.#apiUrl), {
      ...request,
      headers: { ...request.headers, authorization: `Bearer ${this.#apiKey}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${request.method ?? 'GET'} ${path} answered ${response.status}: ${text}`);
    return schema.parse(JSON.parse(text));
  }
}
