/** One thing that is wrong in a request: where (a JSON pointer), a code of `api.md`, and what to do. */
export interface ErrorItem {
  pointer: string;
  code: string;
  detail: string;
  [extra: string]: unknown;
}

export interface PlatformErrorOptions {
  /** Whether the same call can succeed later without anybody changing anything. */
  retryable?: boolean;
  retryAfterSeconds?: number;
  errors?: ErrorItem[];
  cause?: unknown;
}

/** Work that stopped for a reason we can name. `message` is a sentence a customer can act on. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;
  readonly errors: ErrorItem[];

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? errorCodes[code].retryable;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.errors = options.errors ?? [];
  }
}

/** Every code that reaches a customer, with its HTTP status and title. */
export const errorCodes = {
  malformed_json: { status: 400, title: 'The body is not valid JSON', retryable: false },
  unauthenticated: { status: 401, title: 'No valid API key', retryable: false },
  scope_missing: { status: 403, title: 'The key lacks a scope', retryable: false },
  not_found: { status: 404, title: 'Not found', retryable: false },
  method_not_allowed: { status: 405, title: 'Method not allowed', retryable: false },
  idempotency_mismatch: { status: 409, title: 'Idempotency key used before', retryable: false },
  idempotency_in_progress: { status: 409, title: 'First call still running', retryable: true },
  state_conflict: { status: 409, title: 'Not possible in this state', retryable: false },
  etag_mismatch: { status: 412, title: 'Changed by somebody else', retryable: false },
  too_large: { status: 413, title: 'Too large', retryable: false },
  unsupported_media_type: { status: 415, title: 'Unsupported media type', retryable: false },
  invalid: { status: 422, title: 'The request is not valid', retryable: false },
  etag_required: { status: 428, title: 'If-Match is required', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  headers_too_large: { status: 431, title: 'Header fields too large', retryable: false },
  internal: { status: 500, title: 'Our fault', retryable: true },
  unavailable: { status: 503, title: 'Temporarily unavailable', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/** 422 with one item. */
export function invalid(pointer: string, code: string, detail: string, extra: object = {}) {
  return new PlatformError('invalid', detail, { errors: [{ pointer, code, detail, ...extra }] });
}

export function notFound(what: string) {
  return new PlatformError('not_found', `There is no such ${what}.`);
}
