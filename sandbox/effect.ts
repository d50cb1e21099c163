import { z } from 'zod';

/** Ten years: a wait that nobody should honour. */
const ABSURD_SECONDS = 10 * 365 * 24 * 3600;

/** What happens to one call instead of the ordinary answer; the parts combine. Without any it is accepted. */
export const effectSchema = z.strictObject({
  status: z.number().int().min(400).max(599).optional(),
  /** Instead of the provider's own body: text as it is, anything else as JSON. SMTP: the reply text. */
  body: z.unknown().optional(),
  latencyMs: z.number().int().min(0).max(3_600_000).optional(),
  retryAfter: z.union([z.number().int().min(0), z.enum(['date', 'absent', 'absurd'])]).optional(),
  /** The connection is reset before anything is accepted. */
  resetBefore: z.boolean().optional(),
  /** It is accepted, then the connection is reset. */
  resetAfter: z.boolean().optional(),
  neverAnswer: z.boolean().optional(),
  /** Accepted, and then what the other parts say. */
  acceptFirst: z.boolean().optional(),
  /** Milliseconds between two bytes of the answer. */
  slowBytes: z.number().int().min(1).max(60_000).optional(),
});
export type Effect = z.infer<typeof effectSchema>;

export function acceptsMail(effect: Effect): boolean {
  if (effect.acceptFirst === true || effect.resetAfter === true) return true;
  return effect.status === undefined && effect.resetBefore !== true && effect.neverAnswer !== true;
}

/** Seconds to wait; undefined when the answer must not say. `date` is two seconds ahead. */
export function retryAfterSeconds(effect: Effect): number | undefined {
  if (effect.retryAfter === 'absent') return undefined;
  if (effect.retryAfter === 'absurd') return ABSURD_SECONDS;
  if (effect.retryAfter === 'date') return 2;
  return effect.retryAfter;
}

/** Value of a Retry-After header, RFC 9110 10.2.3. */
export function retryAfterHeader(effect: Effect, now: Date): string | undefined {
  const seconds = retryAfterSeconds(effect);
  if (seconds === undefined) return undefined;
  return effect.retryAfter === 'date'
    ? new Date(now.getTime() + seconds * 1000).toUTCString()
    : String(seconds);
}
