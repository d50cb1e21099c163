import { toPublicId, toUuid } from '../../domain/ids.ts';
import { notFound } from '../../domain/platform-error.ts';
import { ApiKey, Tenant } from '../../schema/entities/tenancy.ts';
import type { Mode, ServiceContext } from '../context.ts';
import type { Scope } from './new-key.ts';

export interface MeView {
  tenant: { id: string; key: string; name: string; state: 'active' | 'suspended' };
  apiKey: {
    id: string;
    name: string;
    mode: Mode;
    scopes: Scope[];
    hint: string;
    expiresAt: string | null;
  };
}

/** Who the caller is: the tenant and the key. */
export async function getMe(ctx: ServiceContext): Promise<MeView> {
  const keyId = toUuid('apiKey', ctx.actor);
  return ctx.read(async (em) => {
    const tenant = await em.findOne(Tenant, { id: ctx.tenant.id });
    const key = await em.findOne(ApiKey, { id: keyId });
    if (!tenant || !key) throw notFound('key');
    return {
      tenant: {
        id: toPublicId('tenant', tenant.id),
        key: tenant.key,
        name: tenant.name,
        state: tenant.state,
      },
      apiKey: {
        id: ctx.actor,
        name: key.name,
        mode: key.mode,
        scopes: key.scopes as Scope[], // only createApiKey writes them
        hint: key.hint,
        expiresAt: key.expiresAt?.toISOString() ?? null,
      },
    };
  });
}
