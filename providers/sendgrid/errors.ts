import { z } from 'zod';
import type { ErrorClass, Outcome } from '../../domain/outcome.ts';
import { providerWords } from '../provider-words.ts';
import type { Verdict } from '../recipients.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Phase } from './client.ts';

/** HTTP statuses of SendGrid's v3 API; see https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses */
const statusClasses: Readonly<Record<number, ErrorClass>> = {
  // Redirects that RFC 9110 gives to requests that were not processed: the base URL is wrong.
  301: 'account',
  307: 'account',
  308: 'account',
  400: 'message',
  401: 'account', // also "Maximum credits exceeded": the plan's quota
  403: 'account',
  404: 'account',
  405: 'account',
  406: 'account',
  408: 'transient', // the server gave up waiting for the request
  413: 'message',
  422: 'message',
  429: 'rate',
  503: 'transient',
};

function statusClass(status: number): ErrorClass {
  const known = statusClasses[status];
  if (known) return known;
  // Other 4xx were answered by the provider: not sent, and another account may do better. For the rest, 500, 502 and
  // 504 among them, nobody promises that nothing was sent.
  return status >= 400 && status < 500 ? 'account' : 'ambiguous';
}

// Axios has a class for headers; spread, it is an ordinary object with lower-case names.
const headersSchema = z.custom<object>((value) => typeof value === 'object' && value !== null);
/** The SDK's error for an answer of 400 and above. */
const responseErrorSchema = z.object({
  code: z.number(),
  message: z.string().catch(''),
  response: z.object({ headers: headersSchema, body: z.unknown() }),
});
/** Axios' own error: an answer below 400, or one that broke off. */
const brokenAnswerSchema = z.object({
  message: z.string(),
  response: z.object({ status: z.number(), headers: headersSchema }),
});
/** Axios' own error without an answer. */
const networkErrorSchema = z.object({ code: z.string(), message: z.string() });

const bodySchema = z.object({
  errors: z.array(z.object({ message: z.string(), field: z.string().nullish() })).min(1),
});

/**
 * What a failed call means. All recipients share it: one bad address makes SendGrid refuse the whole request, and the
 * call has a single personalization.
 */
export function readFailure(error: unknown, phase: Phase, timeoutMs: number): Verdict {
  const answer = responseErrorSchema.safeParse(error);
  if (answer.success) {
    const { code, message, response } = answer.data;
    return fromStatus(code, bodyWords(response.body) ?? message, response.headers);
  }
  const broken = brokenAnswerSchema.safeParse(error);
  if (broken.success) {
    const { message, response } = broken.data;
    return fromStatus(response.status, message, response.headers);
  }
  return { outcome: outcomeWithoutAnswer(phase), ...networkWords(error, timeoutMs) };
}

/** `SendGrid's words (the field they are about)`, one after the other. */
function bodyWords(body: unknown): string | undefined {
  if (typeof body === 'string' && body !== '') return providerWords(body);
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) return undefined;
  return providerWords(
    parsed.data.errors
      .map(({ message, field }) => (field ? `${message} (${field})` : message))
      .join(' '),
  );
}

function fromStatus(status: number, words: string, headers: object): Verdict {
  return {
    outcome: toOutcome(statusClass(status), retryAfterMs({ ...headers })),
    code: String(status),
    ...(words === '' ? {} : { words: providerWords(words) }),
  };
}

function toOutcome(errorClass: ErrorClass, waitMs: number | undefined): Outcome {
  if (errorClass === 'ambiguous') return { kind: 'unknown', class: 'ambiguous' };
  const mayWait = errorClass === 'rate' || errorClass === 'transient';
  if (!mayWait || waitMs === undefined) return { kind: 'refused', class: errorClass };
  return { kind: 'refused', class: errorClass, retryAfterMs: waitMs };
}

const phaseOutcomes: Readonly<Record<Phase, Outcome>> = {
  building: { kind: 'refused', class: 'message' },
  connecting: { kind: 'refused', class: 'transient' },
  stopped: { kind: 'refused', class: 'not_called' },
  written: { kind: 'unknown', class: 'ambiguous' },
};

function outcomeWithoutAnswer(phase: Phase): Outcome {
  return phaseOutcomes[phase];
}

function networkWords(error: unknown, timeoutMs: number): Pick<Verdict, 'code' | 'words'> {
  const parsed = networkErrorSchema.safeParse(error);
  if (parsed.success && parsed.data.code === 'ERR_CANCELED')
    return { code: 'ETIMEDOUT', words: `No full answer within ${timeoutMs} ms.` };
  if (parsed.success)
    return {
      code: parsed.data.code,
      words: providerWords(parsed.data.message || parsed.data.code),
    };
  return error instanceof Error ? { words: providerWords(error.message) } : {};
}
