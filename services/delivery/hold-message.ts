import type { EntityManager } from '@mikro-orm/postgresql';
import { query } from '../../runtime/database.ts';
import { Tenant } from '../../schema/entities/tenancy.ts';
import type { Platform, TenantHandle } from '../platform.ts';

export type HeldReason = 'quota' | 'backoff' | 'provider_down' | 'budget' | 'suspended';

/** Says on the message why it waits, and until when. */
export async function holdMessage(
  platform: Platform,
  tenant: TenantHandle,
  messageId: string,
  reason: HeldReason,
  until: Date,
): Promise<void> {
  await platform.app.inTenant(tenant.id, (em) =>
    query(
      em,
      `UPDATE messages SET status = 'held', held_reason = $3, held_until = $4
        WHERE tenant_id = $1 AND id = $2 AND status IN ('accepted', 'sending', 'held', 'scheduled')`,
      [tenant.id, messageId, reason, until],
    ),
  );
}

export async function isTenantSuspended(em: EntityManager, tenantId: string): Promise<boolean> {
  const tenant = await em.findOne(Tenant, { id: tenantId });
  return tenant?.state !== 'active';
}
