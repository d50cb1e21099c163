import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCodes, PlatformError, type ErrorItem } from '../domain/platform-error.ts';
import type { Log } from '../runtime/log.ts';
import { drainBody } from './read-body.ts';
import { isDatabaseAway } from '../runtime/database.ts';

/** RFC 9457, with our code and the items that are wrong. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors: ErrorItem[];
}

/** Clients without an idea of their own wait so long. */
const RETRY_AFTER_SECONDS = 1;

/** What went wrong as a code; whatever we did not expect is `internal` and says nothing of itself. */
export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  if (isDatabaseAway(error))
    return new PlatformError('unavailable', 'The records cannot be reached. Try again soon.', {
      cause: error,
    });
  // The router's: an escape in the path that is not UTF-8 names nothing.
  if (error instanceof URIError || (error as { status?: unknown } | null)?.status === 400)
    return new PlatformError('not_found', 'There is nothing at this path.', { cause: error });
  return new PlatformError(
    'internal',
    'Something went wrong on our side. Tell us the requestId if it stays.',
    { cause: error },
  );
}

export function toProblem(error: PlatformError, requestId: string): Problem {
  const { status, title } = errorCodes[error.code];
  return {
    type: `/docs#${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
    errors: error.errors,
  };
}

/** Answers with a problem document, and logs what somebody has to look at. */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  about: { log: Log; requestId: string; route: string },
): void {
  const error = toPlatformError(thrown);
  const { log, requestId, route } = about;
  if (error.code === 'internal')
    log.error({ err: error.cause ?? error, requestId, route }, 'a request failed');
  else if (error.code === 'unavailable')
    log.warn({ err: error.cause ?? error, requestId, route }, 'a request was answered 503');
  if (response.headersSent) {
    response.destroy(); // half an answer must not look like a whole one
    return;
  }
  const { status } = errorCodes[error.code];
  const wait =
    error.retryAfterSeconds ?? (NEEDS_RETRY_AFTER.has(status) ? RETRY_AFTER_SECONDS : undefined);
  if (wait !== undefined) response.setHeader('Retry-After', String(wait));
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  const body = Buffer.from(JSON.stringify(toProblem(error, requestId)));
  response.setHeader('Content-Length', body.length);
  response.write(body);
  // Ended before the request was read, the connection would be reset, and the client might never see the answer.
  drainBody(request, () => response.end());
}

const NEEDS_RETRY_AFTER = new Set([429, 503]);
