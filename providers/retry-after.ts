const MAX_WAIT_MS = 3_600_000;

/**
 * How long a provider asks us to wait, from `Retry-After` (seconds or a date, RFC 9110) or else `X-RateLimit-Reset`
 * (Unix seconds). At most an hour, whatever they say; undefined when they say nothing that can be read.
 */
export function retryAfterMs(
  headers: Record<string, unknown>,
  now = Date.now(),
): number | undefined {
  const wait =
    retryAfter(headers['retry-after'], now) ?? rateLimitReset(headers['x-ratelimit-reset'], now);
  return wait === undefined ? undefined : Math.min(Math.max(wait, 0), MAX_WAIT_MS);
}

function retryAfter(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = /[a-z]/i.test(value) ? Date.parse(value) : NaN; // Date.parse takes "-1" for a year
  return Number.isNaN(at) ? undefined : at - now;
}

function rateLimitReset(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string' || !/^\s*\d+\s*$/.test(value)) return undefined;
  return Number(value) * 1000 - now;
}
