import { UniqueConstraintViolationException } from '@mikro-orm/postgresql';
import { PlatformError } from '../domain/platform-error.ts';

/** Turns a violated unique constraint into the conflict that it is; two requests at once pass every look-up before. */
export async function orTaken<T>(work: Promise<T>, pointer: string, detail: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw new PlatformError('state_conflict', detail, {
      errors: [{ pointer, code: 'taken', detail }],
      cause: error,
    });
  }
}
