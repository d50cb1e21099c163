import { z } from 'zod';
import { withDeadline } from '../deadline.ts';
import type { CheckResult, OutgoingMessage, Provider } from '../provider.ts';
import { recipientsOf } from '../recipients.ts';
import { findUnsafeText } from '../unsafe-text.ts';
import { clientFor, closeConnections, type Call, type SendGridAccount } from './client.ts';
import { readFailure } from './errors.ts';
import { parseEvents } from './events.ts';
import { send } from './send.ts';
import {
  credentialsSchema,
  endpointOf,
  secretsSchema,
  settingsSchema,
  type SendGridCredentials,
  type SendGridSecrets,
  type SendGridSettings,
} from './settings.ts';
import { verifySignature } from './signature.ts';

/** Headers that SendGrid sets itself and refuses from us, and those that would doubt what we set. */
const RESERVED_HEADERS = new Set([
  'received',
  'dkim-signature',
  'content-type',
  'content-transfer-encoding',
  'to',
  'from',
  'subject',
  'reply-to',
  'cc',
  'bcc',
  'x-sg-id',
  'x-sg-eid',
  'message-id',
]);

/** SendGrid's v3 API, through its own SDK. */
export const sendgrid: Provider<SendGridCredentials, SendGridSettings, SendGridSecrets> = {
  kind: 'sendgrid',
  credentialsSchema,
  settingsSchema,
  deliveryEvents: 'full',
  endpoint: endpointOf,
  findUnsupported,
  send,
  check,
  webhook: {
    secretsSchema,
    verify: verifySignature,
    parse: parseEvents,
    answers: { stored: 200, notAuthentic: 403, unavailable: 503 },
  },
  sandboxAccount: ({ httpUrl, name }) => ({
    credentials: { apiKey: `SG.${name}` },
    settings: { region: 'us', baseUrl: `${httpUrl}/sendgrid` },
    webhook: {
      account: `SG.${name}`,
      secrets: ({ publicKey = '' }) => ({ signingKey: publicKey }),
    },
  }),
  close: closeConnections,
};

function findUnsupported(message: OutgoingMessage): string | undefined {
  const { to, subject, text, html, headers } = message;
  if (to.length === 0) return 'to: SendGrid needs at least one recipient there.';
  const addresses = recipientsOf(message).map(({ email }) => email.toLowerCase());
  if (new Set(addresses).size < addresses.length)
    return 'recipients: SendGrid takes an address only once in to, cc and bcc together.';
  if (subject === '') return 'subject: SendGrid needs one.';
  if (!text && !html) return 'text, html: SendGrid needs content.';
  const reserved = Object.keys(headers).find((name) => RESERVED_HEADERS.has(name.toLowerCase()));
  if (reserved) return `headers.${reserved}: SendGrid sets this header itself.`;
  return findUnsafeText(message);
}

const scopesSchema = z.object({ scopes: z.array(z.string()) });

/** GET /v3/scopes: what the key may do. */
async function check(account: SendGridAccount, timeoutMs: number): Promise<CheckResult> {
  return withDeadline(timeoutMs, async (signal) => {
    const call: Call = { phase: 'building', signal, beforeWrite: () => undefined };
    try {
      const client = clientFor(account, call);
      const response = await client.request({ method: 'GET', url: '/v3/scopes' });
      const answer = scopesSchema.safeParse(response[1]);
      if (!answer.success)
        return { ok: false, detail: 'The answer is not one of SendGrid; check baseUrl.' };
      return answer.data.scopes.includes('mail.send')
        ? { ok: true, detail: 'The key may send mail.' }
        : { ok: false, detail: 'The key lacks the scope Mail Send; add it at SendGrid.' };
    } catch (error) {
      const { code, words } = readFailure(error, call.phase, timeoutMs);
      return { ok: false, detail: [code, words].filter(Boolean).join(': ') };
    }
  });
}
