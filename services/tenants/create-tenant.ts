import { PlatformError } from '../../domain/platform-error.ts';
import { toPublicId } from '../../domain/ids.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { AuditEntry, Tenant } from '../../schema/entities/tenancy.ts';
import type { Platform } from '../platform.ts';
import { orTaken } from '../unique.ts';

export interface CreateTenantInput {
  /** `[a-z0-9][a-z0-9._-]*`, at most 63 characters; part of workflow ids, so it never changes. */
  key: string;
  name: string;
  /** Who does this, for the audit log. */
  actor: string;
}

/** A new tenant with a data key of its own; it has no API key yet. */
export async function createTenant(
  platform: Platform,
  { key, name, actor }: CreateTenantInput,
): Promise<{ id: string; key: string }> {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(key))
    throw new PlatformError('invalid', `The tenant key ${JSON.stringify(key)} is not valid.`);
  const id = newUuid();
  const work = platform.operator.transaction(async (em) => {
    const at = platform.now();
    const dataKeyEnc = platform.vault.newDataKey();
    em.create(Tenant, { id, key, name, state: 'active', dataKeyEnc, createdAt: at });
    await em.flush(); // the audit entry refers to it
    em.create(AuditEntry, {
      id: newUuid(),
      tenantId: id,
      at,
      actor,
      action: 'tenant.created',
      subject: toPublicId('tenant', id),
      details: { key },
    });
  });
  await orTaken(work, '/key', `There is a tenant ${key} already.`);
  return { id, key };
}
