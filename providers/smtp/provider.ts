import { withDeadline } from '../deadline.ts';
import type { CheckResult, OutgoingMessage, Provider } from '../provider.ts';
import { recipientsOf } from '../recipients.ts';
import { findUnsafeText } from '../unsafe-text.ts';
import { readFailure } from './errors.ts';
import { closePools, verifyLogin, type SmtpAccount } from './pool.ts';
import { send } from './send.ts';
import {
  credentialsSchema,
  findInsecurity,
  settingsSchema,
  type SmtpCredentials,
  type SmtpSettings,
} from './settings.ts';

/** Headers that we write ourselves, or that belong to the servers on the way. */
const RESERVED_HEADERS =
  /^(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|x-ep-.*|dkim-signature|received|return-path|resent-.*)$/i;

/** Any SMTP relay, through nodemailer. It tells nothing after the 250: bounces come as mail to the sender. */
export const smtp: Provider<SmtpCredentials, SmtpSettings> = {
  kind: 'smtp',
  credentialsSchema,
  settingsSchema,
  deliveryEvents: 'none',
  endpoint: ({ host, port }) => ({ host, port, isOwn: false }),
  findUnsupported,
  send,
  check,
  sandboxAccount: ({ smtpAddress, name }) => {
    const [host = '', port = ''] = smtpAddress.split(':');
    return {
      credentials: { user: name, pass: name },
      settings: { host, port: Number(port), secure: false },
    };
  },
  close: closePools,
};

function findUnsupported(message: OutgoingMessage): string | undefined {
  if (recipientsOf(message).length === 0) return 'recipients: there is none.';
  const reserved = Object.keys(message.headers).find((name) => RESERVED_HEADERS.test(name));
  if (reserved) return `headers.${reserved}: the platform sets this header itself.`;
  return findUnsafeText(message);
}

async function check(account: SmtpAccount, timeoutMs: number): Promise<CheckResult> {
  const insecurity = findInsecurity(account.credentials, account.settings);
  if (insecurity) return { ok: false, detail: insecurity };
  return withDeadline(timeoutMs, async (signal) => {
    try {
      await verifyLogin(account, signal);
      return { ok: true, detail: 'The server took the login.' };
    } catch (error) {
      const progress = { endWasRead: false, wasStopped: false, timeoutMs, from: '' };
      const { code, words } = readFailure(error, progress);
      return { ok: false, detail: [code, words].filter(Boolean).join(': ') };
    }
  });
}
