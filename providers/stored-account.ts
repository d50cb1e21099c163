import { z } from 'zod';
import type { CallResult, OutgoingMessage, Provider, ProviderAccount } from './provider.ts';
import { sameForAll } from './recipients.ts';

/**
 * A provider for callers that hold accounts as they were stored: JSON. Its schemas read them, so that each adapter
 * sees its own types and defaults. What does not fit is refused like any other fault of the account; a message that
 * the provider cannot express is refused here too, should nobody have asked before.
 */
export function takingStoredAccounts<Credentials, Settings, Secrets>(
  provider: Provider<Credentials, Settings, Secrets>,
): Provider {
  const { credentialsSchema, settingsSchema, webhook, describeDomain } = provider;
  const accountSchema = z.object({ credentials: credentialsSchema, settings: settingsSchema });
  const read = (account: ProviderAccount) => {
    const result = accountSchema.safeParse(account);
    if (result.success) return { account: { ...account, ...result.data } };
    return { problem: result.error.issues.map(toSentence).join(' ') };
  };
  return {
    ...provider,
    endpoint: (settings) => provider.endpoint(settingsSchema.parse(settings)),
    send: async (stored, message, options) => {
      const unsupported = provider.findUnsupported(message);
      if (unsupported) return refuse(message, 'message', unsupported);
      const { account, problem } = read(stored);
      return account
        ? provider.send(account, message, options)
        : refuse(message, 'account', problem);
    },
    check: async (stored, timeoutMs) => {
      const { account, problem } = read(stored);
      return account ? provider.check(account, timeoutMs) : { ok: false, detail: problem };
    },
    describeDomain:
      describeDomain &&
      (async (stored, domain, timeoutMs) => {
        const { account, problem } = read(stored);
        return account
          ? describeDomain(account, domain, timeoutMs)
          : { state: 'unavailable', detail: problem };
      }),
    webhook: webhook && {
      ...webhook,
      verify: (request, stored) => {
        const secrets = webhook.secretsSchema.safeParse(stored);
        return secrets.success && webhook.verify(request, secrets.data);
      },
    },
  };
}

function toSentence({ path, message }: z.core.$ZodIssue): string {
  return `${path.join('.')}: ${message}.`;
}

function refuse(
  message: OutgoingMessage,
  errorClass: 'account' | 'message',
  words: string,
): CallResult {
  return sameForAll(message, { outcome: { kind: 'refused', class: errorClass }, words });
}
