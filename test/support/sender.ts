import { toPublicId } from '../../domain/ids.ts';
import type { SandboxUnderTest } from '../../sandbox/sandbox-under-test.ts';
import type { ServiceContext } from '../../services/context.ts';
import { getMessage } from '../../services/messages/read-messages.ts';
import type { Platform } from '../../services/platform.ts';
import { anAccount, aTenant, type AccountInput } from './tenant.ts';
import { until } from './until.ts';

/** A tenant with a SendGrid account at the sandbox, which posts its events to `receiverUrl`. */
export async function aSender(
  platform: Platform,
  sandbox: SandboxUnderTest,
  receiverUrl: string | undefined,
  input: AccountInput = {},
): Promise<ServiceContext> {
  const ctx = await aTenant(platform);
  const account = { provider: 'sendgrid', account: `SG.${ctx.tenant.key}` };
  const register = (url: string) => sandbox.control('PUT', '/webhooks', { ...account, url });
  const keys = receiverUrl === undefined ? undefined : await register(receiverUrl);
  const id = await anAccount(ctx, {
    credentials: { apiKey: account.account },
    settings: { baseUrl: `${sandbox.httpUrl}/sendgrid` },
    ...(keys && { signingKey: keys.body.publicKey }),
    ...input,
  });
  if (receiverUrl !== undefined)
    await register(
      `${receiverUrl}/provider-webhooks/sendgrid/${toPublicId('providerAccount', id)}/token`,
    );
  return ctx;
}

export function settled(ctx: ServiceContext, id: string, withinMs?: number) {
  return until(
    () => getMessage(ctx, id),
    (message) => message.settledAt !== null,
    withinMs,
  );
}
