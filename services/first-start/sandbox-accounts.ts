import { isDeepStrictEqual } from 'node:util';
import { providers } from '../../providers/index.ts';
import type { Provider, SandboxPlace } from '../../providers/provider.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { ServiceContext } from '../context.ts';
import {
  createProviderAccount,
  getProviderAccount,
  updateProviderAccount,
} from '../providers/provider-accounts.ts';
import { toPublicId } from '../../domain/ids.ts';

const ANSWER_WITHIN_MS = 5_000;

/**
 * An account at the sandbox for every provider that is built, in the context's mode, and the sandbox told where to post
 * their events. Repeating it follows the sandbox and the API to new ports.
 */
export async function ensureSandboxAccounts(
  ctx: ServiceContext,
  sandbox: Omit<SandboxPlace, 'name'>,
): Promise<void> {
  for (const provider of Object.values<Provider>(providers))
    await ensureAccount(ctx, provider, sandbox);
}

async function ensureAccount(
  ctx: ServiceContext,
  provider: Provider,
  sandbox: Omit<SandboxPlace, 'name'>,
): Promise<void> {
  const name = ctx.mode === 'test' ? `sandbox-${provider.kind}` : provider.kind;
  const { credentials, settings, webhook } = provider.sandboxAccount({
    ...sandbox,
    name: `${ctx.tenant.key}-${ctx.mode}`,
  });
  const fields = {
    credentials: credentials as Record<string, unknown>,
    settings: settings as Record<string, unknown>,
  };
  const found = await ctx.read((em) => em.findOne(ProviderAccount, { name, mode: ctx.mode }));
  const id = found
    ? toPublicId('providerAccount', found.id)
    : (
        await createProviderAccount(ctx, {
          ...fields,
          name,
          provider: provider.kind,
          pricePerThousand: { micros: 400_000, currency: 'USD' },
        })
      ).id;
  if (found && !isDeepStrictEqual(found.settings, fields.settings))
    await updateProviderAccount(ctx, id, 'any', fields);
  const { url } = (await getProviderAccount(ctx, id)).webhook;
  if (!webhook || url === null) return;
  const keys = await registerWebhook(sandbox.httpUrl, {
    provider: provider.kind,
    account: webhook.account,
    url,
  });
  const secrets = webhook.secrets(keys) as Record<string, unknown>;
  const known =
    found?.webhookSecretsEnc &&
    ctx.tenant.vault.openJson('webhook_secrets', found.webhookSecretsEnc);
  if (!isDeepStrictEqual(known, secrets))
    await updateProviderAccount(ctx, id, 'any', { webhook: secrets });
}

/** Tells the sandbox where to post an account's events. @returns the keys that it signs them with */
async function registerWebhook(
  sandboxUrl: string,
  target: { provider: string; account: string; url: string },
): Promise<Record<string, string>> {
  const response = await fetch(`${sandboxUrl}/sandbox/webhooks`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(target),
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`the sandbox answered ${response.status} to ${target.url}`);
  return (await response.json()) as Record<string, string>;
}
