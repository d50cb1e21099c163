import assert from 'node:assert/strict';
import pg from 'pg';
import { query } from '../runtime/database.ts';
import type { Platform } from '../services/platform.ts';
import { SendingDomain } from './entities/provider-account.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant } from '../test/support/tenant.ts';

/** Tables that hold no tenant's rows, each for its reason. */
const WITHOUT_TENANT: Record<string, string> = {
  migrations: 'which migrations ran',
  operator_keys: 'keys of the operator',
  event_lanes: 'cursors of the lanes to ClickHouse',
};
/** Keys that do not begin with the tenant, each for its reason. */
const OTHER_KEYS: Record<string, string> = {
  tenants_pkey: 'the tenant itself',
  tenants_key_key: 'a tenant key is unique on the platform',
  api_keys_hash_key: 'looked up before the tenant is known',
};
/** What background work may see of every tenant. */
const RELAY_TABLES = [
  'attempts', 'event_lanes', 'events', 'messages', 'provider_calls', 'recipients', 'signals_out', 'suppressions',
  'webhook_inbox', 'workflow_starts',
]; // prettier-ignore

describe('row-level security', () => {
  let platform: Platform;
  let owner: pg.Client;
  before(async () => {
    platform = await aPlatform();
    owner = new pg.Client({ connectionString: process.env['TEST_DATABASE_OWNER_URL'] });
    await owner.connect();
  });
  after(async () => {
    await owner.end();
    await platform.close();
  });

  const catalogue = async <Row extends object>(text: string) => (await owner.query<Row>(text)).rows;

  it('stands, enabled and forced, with a tenant policy, on every table with tenant rows', async () => {
    const tables = await catalogue<{
      name: string;
      enabled: boolean;
      forced: boolean;
      policies: number;
    }>(`
      SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
        (SELECT count(*)::int FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant') AS policies
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`);
    assert.ok(tables.length > 15);
    const open = tables.filter(
      ({ name, enabled, forced, policies }) =>
        !(name in WITHOUT_TENANT) && !(enabled && forced && policies === 1),
    );
    assert.deepEqual(open, []);
  });

  it('cannot be passed by reading a partition: nobody is granted one', async () => {
    const granted = await catalogue(`
      SELECT c.relname, a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relispartition AND a.grantee <> c.relowner`);
    assert.deepEqual(granted, []);
  });

  it('is in every unique key', async () => {
    const keys = await catalogue<{ name: string }>(`
      SELECT i.relname AS name FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class t ON t.oid = x.indrelid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
      WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique AND NOT i.relispartition AND a.attname <> 'tenant_id'`);
    const unexpected = keys.filter(
      ({ name }) =>
        !(name in OTHER_KEYS) &&
        !Object.keys(WITHOUT_TENANT).some((table) => name.startsWith(table)),
    );
    assert.deepEqual(unexpected, []);
  });

  it('gives the background role the tables it needs and no others', async () => {
    const granted = await catalogue<{ name: string }>(`
      SELECT DISTINCT c.relname AS name FROM pg_class c, aclexplode(c.relacl) a
      WHERE a.grantee = 'relay'::regrole AND c.relkind IN ('r', 'p') ORDER BY 1`);
    assert.deepEqual(
      granted.map(({ name }) => name),
      RELAY_TABLES,
    );
  });

  it('lets nobody change or delete the audit log', async () => {
    const granted = await catalogue(`
      SELECT a.grantee::regrole, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.relname = 'audit_log' AND a.grantee <> c.relowner AND a.privilege_type NOT IN ('SELECT', 'INSERT')`);
    assert.deepEqual(granted, []);
  });

  it('shows nothing of another tenant to a query whose filter was removed', async () => {
    const [mine, other] = [await aTenant(platform), await aTenant(platform)];
    const seen = await mine.read(async (em) => ({
      byOrm: await em.findAll(SendingDomain, { filters: false }),
      bySql: await query<{ tenant_id: string }>(em, 'SELECT tenant_id FROM sending_domains'),
      changed: await query(
        em,
        'UPDATE sending_domains SET domain = $1 WHERE tenant_id = $2 RETURNING 1',
        ['x.test', other.tenant.id],
      ),
    }));
    assert.deepEqual([...new Set(seen.byOrm.map(({ tenantId }) => tenantId))], [mine.tenant.id]);
    assert.deepEqual([...new Set(seen.bySql.map((row) => row.tenant_id))], [mine.tenant.id]);
    assert.deepEqual(seen.changed, []);
    await assert.rejects(
      mine.read((em) =>
        query(em, 'INSERT INTO sending_domains (tenant_id, id, domain) VALUES ($1, uuidv7(), $2)', [
          other.tenant.id,
          'y.test',
        ]),
      ),
      /row-level security/,
    );
  });

  it('refuses to ask before the tenant is known', async () => {
    await assert.rejects(
      platform.app.transaction((em) => query(em, 'SELECT * FROM messages')),
      /outside a transaction that set the tenant/,
    );
    // The same connection is used again: what one transaction said is over with it.
    const { tenant } = await aTenant(platform);
    await platform.app.inTenant(tenant.id, (em) => query(em, 'SELECT 1'));
    await assert.rejects(
      platform.app.transaction((em) => query(em, 'SELECT * FROM messages')),
      /outside a transaction that set the tenant/,
    );
  });

  it('lets a published template version be', async () => {
    const { read, tenant } = await aTenant(platform);
    await assert.rejects(
      read(async (em) => {
        const values = [tenant.id, '0192aaaa-0000-7000-8000-000000000000'];
        await query(
          em,
          `INSERT INTO templates (tenant_id, id, key, name) VALUES ($1, $2, 'k', 'n')`,
          values,
        );
        await query(
          em,
          `INSERT INTO template_versions (tenant_id, id, template_id, number, status, subject) VALUES ($1, $2, $2, 1, 'published', 's')`,
          values,
        );
        await query(
          em,
          `UPDATE template_versions SET subject = 'other' WHERE tenant_id = $1 AND id = $2`,
          values,
        );
      }),
      /cannot change/,
    );
  });
});
