import type { EntityManager } from '@mikro-orm/postgresql';
import { newUuid } from '../runtime/new-uuid.ts';
import { AuditEntry } from '../schema/entities/tenancy.ts';
import type { ServiceContext } from './context.ts';
import { idRange, pageOf, type Page, type PageRequest } from './paging.ts';

export interface AuditView {
  at: string;
  /** `key_…`, or the part of the platform that acted by itself. */
  actor: string;
  action: string;
  subject: string;
  details: Record<string, unknown> | null;
  requestId: string | null;
}

/**
 * Notes who changed what, in the transaction of the change.
 * @param subject the public id of what was changed
 * @param details names and numbers only: nothing secret, no address
 */
export function audit(
  em: EntityManager,
  ctx: Pick<ServiceContext, 'tenant' | 'now' | 'actor' | 'requestId'>,
  action: string,
  subject: string,
  details?: Record<string, unknown>,
): void {
  em.create(AuditEntry, {
    id: newUuid(),
    tenantId: ctx.tenant.id,
    at: ctx.now(),
    actor: ctx.actor,
    action,
    subject,
    details: details ?? null,
    requestId: ctx.requestId ?? null,
  });
}

export async function listAuditLog(
  ctx: ServiceContext,
  request: PageRequest,
): Promise<Page<AuditView>> {
  return ctx.read(async (em) => {
    const entries = await em.find(AuditEntry, idRange(request), {
      orderBy: { id: 'desc' },
      limit: request.limit + 1,
    });
    return pageOf(
      entries.map((entry) => ({ cursor: entry.id, view: viewAuditEntry(entry) })),
      request.limit,
    );
  });
}

function viewAuditEntry(entry: AuditEntry): AuditView {
  return {
    at: entry.at.toISOString(),
    actor: entry.actor,
    action: entry.action,
    subject: entry.subject,
    details: entry.details ?? null,
    requestId: entry.requestId ?? null,
  };
}
