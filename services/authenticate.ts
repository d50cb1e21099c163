import type { EntityManager } from '@mikro-orm/postgresql';
import { PlatformError } from '../domain/platform-error.ts';
import { query } from '../runtime/database.ts';
import type { Mode } from './context.ts';
import type { Platform } from './platform.ts';
import type { Scope } from './tenants/new-key.ts';

export interface TenantKey {
  kind: 'tenant';
  tenantId: string;
  keyId: string;
  mode: Mode;
  scopes: Scope[];
}
export type AuthenticatedKey = TenantKey | { kind: 'operator'; keyId: string };

/** How long an answer is remembered, and so how long a revoked key may still work. */
const REMEMBER_MS = 1_000;
const MAX_REMEMBERED = 10_000;
const TOKEN = /^ep_(live|test|admin)_[A-Za-z0-9]{32,64}$/;

interface Found {
  key: AuthenticatedKey;
  expiresAt: Date | null;
}
const remembered = new WeakMap<Platform, Map<string, Found & { until: number }>>();

/**
 * Whose key this is.
 * @throws unauthenticated, in the same words whether a key is unknown, revoked or expired
 */
export async function authenticate(platform: Platform, token: string): Promise<AuthenticatedKey> {
  const found = await findKey(platform, token);
  if (!found || (found.expiresAt !== null && found.expiresAt <= platform.now()))
    throw new PlatformError(
      'unauthenticated',
      'Send "Authorization: Bearer ep_…" with a key that is neither revoked nor expired.',
    );
  return found.key;
}

async function findKey(platform: Platform, token: string): Promise<Found | undefined> {
  const kind = TOKEN.exec(token)?.[1];
  if (kind === undefined) return undefined;
  const hash = platform.vault.hashToken(token);
  const keys = rememberedKeys(platform);
  const name = hash.toString('base64');
  const known = keys.get(name);
  if (known && known.until > Date.now()) return known;
  keys.delete(name);
  const found = await platform.app.transaction((em) =>
    kind === 'admin' ? findOperatorKey(em, hash) : findTenantKey(em, hash),
  );
  if (!found) return undefined;
  keys.set(name, { ...found, until: Date.now() + REMEMBER_MS });
  if (keys.size > MAX_REMEMBERED) keys.delete(keys.keys().next().value ?? '');
  return found;
}

async function findTenantKey(em: EntityManager, hash: Buffer): Promise<Found | undefined> {
  const [row] = await query<{
    tenant_id: string;
    id: string;
    mode: Mode;
    scopes: Scope[];
    expires_at: Date | null;
    revoked_at: Date | null;
  }>(em, 'SELECT * FROM find_api_key($1)', [hash]);
  if (!row || row.revoked_at) return undefined;
  const { mode, scopes } = row;
  return {
    key: { kind: 'tenant', tenantId: row.tenant_id, keyId: row.id, mode, scopes },
    expiresAt: row.expires_at,
  };
}

async function findOperatorKey(em: EntityManager, hash: Buffer): Promise<Found | undefined> {
  const [row] = await query<{ id: string; expires_at: Date | null; revoked_at: Date | null }>(
    em,
    'SELECT * FROM find_operator_key($1)',
    [hash],
  );
  if (!row || row.revoked_at) return undefined;
  return { key: { kind: 'operator', keyId: row.id }, expiresAt: row.expires_at };
}

function rememberedKeys(platform: Platform) {
  let keys = remembered.get(platform);
  if (!keys) {
    keys = new Map();
    remembered.set(platform, keys);
  }
  return keys;
}
