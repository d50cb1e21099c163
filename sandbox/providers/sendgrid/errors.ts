import type { HttpAnswer } from '../../provider.ts';

/** One entry of SendGrid's error body. */
export interface SendGridError {
  message: string;
  /** Path of the field, with the index of the personalization. */
  field: string | null;
  help: string | null;
}

const HELP = 'http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html';

export function fieldError(field: string, message: string): SendGridError {
  // The help anchors leave the indices out.
  return { message, field, help: `${HELP}#message.${field.replaceAll(/\.\d+/g, '')}` };
}

export function errorAnswer(
  status: number,
  errors: readonly SendGridError[],
  headers: Record<string, string> = {},
): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ errors }),
  };
}

/** What SendGrid says when nothing about a field is wrong, by status. */
const statusMessages = {
  400: 'Bad Request',
  401: 'The provided authorization grant is invalid, expired, or revoked',
  403: 'access forbidden',
  404: 'not found',
  405: 'method not allowed',
  406: 'not acceptable',
  413: 'The JSON payload you have included in your request is too large.',
  415: 'unsupported media type',
  429: 'too many requests',
  500: 'internal server error',
  502: 'bad gateway',
  503: 'service unavailable',
  504: 'gateway timeout',
} as const;
type KnownStatus = keyof typeof statusMessages;

export function statusError(status: number): SendGridError {
  const message = statusMessages[status as KnownStatus] as string | undefined;
  return { message: message ?? `status ${status}`, field: null, help: null };
}
