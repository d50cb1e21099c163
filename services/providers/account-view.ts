import { toPublicId } from '../../domain/ids.ts';
import type { PlatformSettings } from '../../runtime/settings.ts';
import type { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { Mode, ServiceContext } from '../context.ts';
import { getProvider } from './open-account.ts';

export interface Price {
  micros: number;
  currency: string;
}

/** An account as customers see it; what is secret is only written. */
export interface ProviderAccountView {
  id: string;
  provider: string;
  name: string;
  mode: Mode;
  settings: Record<string, unknown>;
  webhook: {
    /** Where the provider posts its events; null without PUBLIC_URL, or where it reports none. */
    url: string | null;
    /** Whether what comes in can be verified; posts are refused until then. */
    hasSecrets: boolean;
    lastEventAt: string | null;
  };
  deliveryEvents: 'full' | 'partial' | 'none';
  honoursCallId: boolean;
  limits: { perSecond: number | null; perDay: number | null };
  pricePerThousand: Price | null;
  enabled: boolean;
  createdAt: string;
  updatedAt: string;
  /** Names this state of it; goes into If-Match. */
  etag: string;
}

export function viewProviderAccount(
  ctx: Pick<ServiceContext, 'tenant' | 'platform'>,
  account: ProviderAccount,
): ProviderAccountView {
  const provider = getProvider(account.provider);
  const settings = provider.settingsSchema.safeParse(account.settings);
  const { priceMicros, priceCurrency } = account;
  return {
    id: toPublicId('providerAccount', account.id),
    provider: account.provider,
    name: account.name,
    mode: account.mode,
    // With the provider's defaults; should a newer version refuse what is stored, as it is.
    settings: (settings.success ? settings.data : account.settings) as Record<string, unknown>,
    webhook: {
      url: provider.webhook ? webhookUrl(ctx, account) : null,
      hasSecrets: account.webhookSecretsEnc != null,
      lastEventAt: account.lastEventAt?.toISOString() ?? null,
    },
    deliveryEvents: account.deliveryEvents,
    honoursCallId: account.honoursCallId,
    limits: { perSecond: account.perSecond ?? null, perDay: account.perDay ?? null },
    pricePerThousand:
      priceMicros == null || priceCurrency == null
        ? null
        : { micros: priceMicros, currency: priceCurrency },
    enabled: account.enabled,
    createdAt: account.createdAt.toISOString(),
    updatedAt: account.updatedAt.toISOString(),
    etag: String(account.version),
  };
}

function webhookUrl(
  {
    tenant,
    platform,
  }: { tenant: ServiceContext['tenant']; platform: { settings: PlatformSettings } },
  account: ProviderAccount,
): string | null {
  const { PUBLIC_URL } = platform.settings;
  if (PUBLIC_URL === undefined) return null;
  const token = tenant.vault.open('webhook_token', account.webhookTokenEnc).toString();
  const id = toPublicId('providerAccount', account.id);
  return `${PUBLIC_URL.replace(/\/$/, '')}/provider-webhooks/${account.provider}/${id}/${token}`;
}
