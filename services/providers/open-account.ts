import { PlatformError } from '../../domain/platform-error.ts';
import { findProvider } from '../../providers/index.ts';
import type { Provider, ProviderAccount as OpenedAccount } from '../../providers/provider.ts';
import type { PlatformSettings } from '../../runtime/settings.ts';
import type { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { Platform, TenantHandle } from '../platform.ts';

export interface UsableAccount {
  provider: Provider;
  account: OpenedAccount;
}

/** The adapter and the decrypted account, fit to call; the host is checked again, as the operator's list may change. */
export function openAccount(
  platform: Platform,
  tenant: TenantHandle,
  stored: ProviderAccount,
): UsableAccount {
  const provider = getProvider(stored.provider);
  const problem = hostProblem(platform.settings, provider, stored.settings, stored.mode);
  if (problem) throw new PlatformError('state_conflict', problem);
  return {
    provider,
    account: {
      id: stored.id,
      mode: stored.mode,
      credentials: tenant.vault.openJson('credentials', stored.credentialsEnc),
      settings: stored.settings,
    },
  };
}

export function getProvider(kind: string): Provider {
  const provider = findProvider(kind);
  if (!provider) throw new PlatformError('invalid', `There is no provider "${kind}".`);
  return provider;
}

/** Why an account may not reach its host: only the provider's own, what the operator allows, or the sandbox. */
export function hostProblem(
  settings: Pick<PlatformSettings, 'PROVIDER_HOSTS_ALLOWED' | 'SANDBOX_URL' | 'SANDBOX_SMTP'>,
  provider: Provider,
  accountSettings: unknown,
  mode: 'live' | 'test',
): string | undefined {
  const { host, port, isOwn } = provider.endpoint(accountSettings);
  const atSandbox = isSandbox(settings, host, port);
  if (mode === 'test') return atSandbox ? undefined : 'A test account may only reach the sandbox.';
  if (isOwn || atSandbox) return undefined;
  const allowed = settings.PROVIDER_HOSTS_ALLOWED;
  if (allowed.includes(`${host}:${port}`) || allowed.includes(`${host}:*`)) return undefined;
  return `${host}:${port} is not a host of this provider. The operator allows others with PROVIDER_HOSTS_ALLOWED.`;
}

export function isSandbox(
  settings: Pick<PlatformSettings, 'SANDBOX_URL' | 'SANDBOX_SMTP'>,
  host: string,
  port: number,
): boolean {
  const places = [
    ...(settings.SANDBOX_URL === undefined ? [] : [new URL(settings.SANDBOX_URL).host]),
    ...(settings.SANDBOX_SMTP === undefined ? [] : [settings.SANDBOX_SMTP]),
  ];
  return places.includes(`${host}:${port}`);
}
