import type { EntityManager } from '@mikro-orm/postgresql';
import type { Platform, TenantHandle } from './platform.ts';
import { decideOnce, type IdempotentCall } from './idempotency.ts';

export type Mode = 'live' | 'test';

export interface Caller {
  tenantId: string;
  mode: Mode;
  /** `key_…`, or the name of the part of the platform that acts by itself. */
  actor: string;
  requestId?: string | undefined;
  traceparent?: string | undefined;
  idempotency?: IdempotentCall | undefined;
}

/**
 * Who asks, and the two ways to the records. Calls that leave the process (rendering, providers) are made between
 * transactions, never inside one.
 */
export interface ServiceContext {
  platform: Platform;
  tenant: TenantHandle;
  mode: Mode;
  actor: string;
  requestId: string | undefined;
  traceparent: string | undefined;
  now: () => Date;
  read: <T>(work: (em: EntityManager) => Promise<T>) => Promise<T>;
  /** Writes, once per idempotency key: a repeated call gets the stored result and `work` does not run. */
  write: <T>(work: (em: EntityManager) => Promise<T>) => Promise<T>;
  /** Whether `write` answered with a stored result. */
  replayed: boolean;
}

export async function createContext(platform: Platform, caller: Caller): Promise<ServiceContext> {
  const tenant = await platform.getTenant(caller.tenantId);
  const inTenant = <T>(work: (em: EntityManager) => Promise<T>) =>
    platform.app.inTenant(tenant.id, work);
  const context: ServiceContext = {
    platform,
    tenant,
    mode: caller.mode,
    actor: caller.actor,
    requestId: caller.requestId,
    traceparent: caller.traceparent,
    now: platform.now,
    replayed: false,
    read: inTenant,
    write: (work) => {
      const { idempotency } = caller;
      if (!idempotency) return inTenant(work);
      return inTenant((em) => decideOnce(em, context, idempotency, work));
    },
  };
  return context;
}
