import { isUnverifiedSender } from '../../behaviours.ts';
import { retryAfterHeader, retryAfterSeconds } from '../../effect.ts';
import type { HttpAnswer, HttpRequest, Reception, Reply, SandboxProvider } from '../../provider.ts';
import { errorAnswer, statusError } from './errors.ts';
import { sendgridWebhook } from './events.ts';
import type { MailSend } from './mail-send.ts';
import { toCall } from './to-call.ts';
import { validateMailSend } from './validate-mail-send.ts';

const MAX_BODY_BYTES = 30 * 1024 * 1024;

interface Route {
  method: string;
  answer: (request: HttpRequest, apiKey: string, reception: Reception) => Promise<HttpAnswer>;
}

const routes: Record<string, Route | undefined> = {
  '/v3/mail/send': { method: 'POST', answer: sendMail },
  '/v3/scopes': { method: 'GET', answer: listScopes },
};

/** SendGrid's Web API v3: Mail Send, scopes, signed event webhook. */
export const sendgrid: SandboxProvider = {
  kind: 'sendgrid',
  http: {
    maxBodyBytes: MAX_BODY_BYTES,
    tooLarge: errorAnswer(413, [statusError(413)]),
    answer: async (request, reception) => {
      const route = Object.hasOwn(routes, request.path) ? routes[request.path] : undefined;
      if (route === undefined) return errorAnswer(404, [statusError(404)]);
      if (request.method !== route.method)
        return errorAnswer(405, [statusError(405)], { allow: route.method });
      const apiKey = readApiKey(request.headers.authorization);
      if (apiKey === undefined) return errorAnswer(401, [statusError(401)]);
      return route.answer(request, apiKey, reception);
    },
  },
  webhook: sendgridWebhook,
};

/** Any key that looks like one is good, save `SG.revoked…`; `SG.noscope…` may not send. */
function readApiKey(authorization = ''): string | undefined {
  const apiKey = /^Bearer (SG\.\S+)$/.exec(authorization)?.[1];
  return apiKey?.startsWith('SG.revoked') === true ? undefined : apiKey;
}

const canSend = (apiKey: string) => !apiKey.startsWith('SG.noscope');

function listScopes(_: HttpRequest, apiKey: string): Promise<HttpAnswer> {
  const scopes = [...(canSend(apiKey) ? ['mail.send'] : []), 'sender_verification_eligible'];
  return Promise.resolve({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ scopes }),
  });
}

async function sendMail(
  request: HttpRequest,
  apiKey: string,
  reception: Reception,
): Promise<HttpAnswer> {
  const { accept = '*/*', 'content-type': contentType = '' } = request.headers;
  if (!canSend(apiKey)) return errorAnswer(403, [statusError(403)]);
  if (!/\*\/\*|application\/(json|\*)/.test(accept)) return errorAnswer(406, [statusError(406)]);
  if (!/^application\/json\b/i.test(contentType)) return errorAnswer(415, [statusError(415)]);

  const text = decodeUtf8(request.body);
  if (text === undefined) return errorAnswer(415, [invalidUtf8]);
  const body = parseJson(text);
  if (body === undefined) return errorAnswer(400, [statusError(400)]);
  const errors = validateMailSend(body, new Date());
  if (errors.length > 0) return errorAnswer(400, errors);
  const mail = body as MailSend; // every part of it has just been checked
  if (isUnverifiedSender(mail.from.email)) return errorAnswer(403, [unverifiedSender]);
  if (mail.mail_settings?.sandbox_mode?.enable === true) return { status: 200 };
  return toAnswer(await reception.receive(toCall(mail, apiKey)));
}

const invalidUtf8 = { message: 'Invalid UTF8 in request', field: null, help: null };
const unverifiedSender = {
  message:
    'The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements',
  field: 'from',
  help: null,
};

function toAnswer(reply: Reply): HttpAnswer {
  if (reply.kind === 'accepted')
    return {
      status: 202,
      headers: { 'X-Message-Id': reply.providerMessageId },
      slowBytesMs: reply.effect.slowBytes,
    };
  if (reply.kind === 'refused') return refusal(reply);
  return { status: 0, connection: reply.kind };
}

function refusal({ status, effect }: Extract<Reply, { kind: 'refused' }>): HttpAnswer {
  const ordinary = errorAnswer(status, [statusError(status)]);
  return {
    ...ordinary,
    headers: {
      ...ordinary.headers,
      ...(status === 429 && rateHeaders(effect)),
      ...retryAfter(effect),
    },
    ...(effect.body !== undefined && {
      body: typeof effect.body === 'string' ? effect.body : JSON.stringify(effect.body),
    }),
    slowBytesMs: effect.slowBytes,
  };
}

/** SendGrid promises these and no Retry-After; a fault script may add one, or take both away. */
function rateHeaders(effect: Parameters<typeof retryAfterSeconds>[0]): Record<string, string> {
  if (effect.retryAfter === 'absent') return {};
  const seconds = retryAfterSeconds(effect) ?? 1;
  return {
    'X-RateLimit-Limit': '600',
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': String(Math.ceil(Date.now() / 1000) + seconds),
  };
}

function retryAfter(effect: Parameters<typeof retryAfterSeconds>[0]): Record<string, string> {
  const value = retryAfterHeader(effect, new Date());
  return value === undefined ? {} : { 'Retry-After': value };
}

function decodeUtf8(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

/** Undefined for what is no JSON; no JSON text means that. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
