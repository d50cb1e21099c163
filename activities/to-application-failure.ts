import { ApplicationFailure } from '@temporalio/common';
import { PlatformError } from '../domain/platform-error.ts';

/**
 * Runs an activity and turns its error into a Temporal failure. The failure carries a code and a sentence of ours; what
 * others wrote (an address, a provider's words, SQL) stays in the logs.
 */
export async function translateErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toApplicationFailure(error);
  }
}

export function toApplicationFailure(error: unknown): unknown {
  if (!(error instanceof PlatformError)) return error;
  return ApplicationFailure.create({
    message: error.code,
    type: error.code,
    nonRetryable: !error.retryable,
    ...(error.retryAfterSeconds !== undefined && {
      nextRetryDelay: error.retryAfterSeconds * 1000,
    }),
  });
}
