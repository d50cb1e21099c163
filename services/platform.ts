import type { Client } from '@temporalio/client';
import { notFound } from '../domain/platform-error.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { connectDatabase, type Database } from '../runtime/database.ts';
import type { Failpoints } from '../runtime/failpoints.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { PlatformSettings } from '../runtime/settings.ts';
import { Vault, type TenantVault } from '../runtime/vault.ts';
import { Tenant } from '../schema/entities/tenancy.ts';
import { entities } from '../schema/entities/index.ts';

/** A tenant as everything that works for it needs it. */
export interface TenantHandle {
  id: string;
  key: string;
  vault: TenantVault;
}

/** What the services stand on, one per process. */
export interface Platform {
  settings: PlatformSettings;
  log: Log;
  metrics: Metrics;
  vault: Vault;
  app: Database;
  relay: Database;
  operator: Database;
  renderer: Renderer;
  temporal: Client;
  failpoints: Failpoints;
  now: () => Date;
  getTenant: (tenantId: string) => Promise<TenantHandle>;
  close: () => Promise<void>;
}

export interface PlatformParts {
  settings: PlatformSettings;
  log: Log;
  metrics: Metrics;
  renderer: Renderer;
  temporal: Client;
  failpoints: Failpoints;
}

export async function connectPlatform(parts: PlatformParts): Promise<Platform> {
  const { settings, log } = parts;
  const vault = new Vault(settings.MASTER_KEY);
  const connect = (role: 'app' | 'relay' | 'operator', url: string) =>
    connectDatabase({ role, url, poolSize: settings.DATABASE_POOL_SIZE, entities, log });
  const [app, relay, operator] = await Promise.all([
    connect('app', settings.DATABASE_URL),
    connect('relay', settings.DATABASE_RELAY_URL),
    connect('operator', settings.DATABASE_OPERATOR_URL),
  ]);
  const tenants = new Map<string, Promise<TenantHandle>>();

  async function loadTenant(tenantId: string): Promise<TenantHandle> {
    const tenant = await app.inTenant(tenantId, (em) => em.findOne(Tenant, { id: tenantId }));
    if (!tenant) throw notFound('tenant');
    return { id: tenant.id, key: tenant.key, vault: vault.openTenant(tenant.dataKeyEnc) };
  }

  return {
    ...parts,
    vault,
    app,
    relay,
    operator,
    now: () => new Date(),
    // Key and data key never change, so a handle is kept; whether a tenant may send is read where it matters.
    getTenant: (tenantId) => {
      let handle = tenants.get(tenantId);
      if (!handle) {
        handle = loadTenant(tenantId);
        tenants.set(tenantId, handle);
        handle.catch(() => tenants.delete(tenantId));
        if (tenants.size > 10_000) tenants.delete(tenants.keys().next().value ?? '');
      }
      return handle;
    },
    close: async () => {
      await Promise.allSettled([
        app.close(),
        relay.close(),
        operator.close(),
        parts.renderer.close(),
        parts.temporal.connection.close(),
      ]);
    },
  };
}
