import { Migration } from '@mikro-orm/migrations';
import { wallOff } from './row-level-security.ts';

/** Tenants, keys, provider accounts, domains, templates, suppressions, audit. Roles come from the installation. */
export class Tenancy extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE tenants (
        id uuid PRIMARY KEY,
        key text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
        name text NOT NULL,
        state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended')),
        data_key_enc bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      ${wallOff('tenants', { column: 'id', app: 'SELECT', everywhere: { operator: 'SELECT, INSERT, UPDATE' } })};

      CREATE TABLE api_keys (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        name text NOT NULL,
        mode text NOT NULL CHECK (mode IN ('live', 'test')),
        scopes text[] NOT NULL,
        hint text NOT NULL,
        hash bytea NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz,
        PRIMARY KEY (tenant_id, id)
      );
      ${wallOff('api_keys', {
        app: 'SELECT, INSERT, UPDATE',
        everywhere: { operator: 'SELECT, INSERT, UPDATE', lookup: 'SELECT' },
      })};

      -- Keys of the operator belong to no tenant.
      CREATE TABLE operator_keys (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        hint text NOT NULL,
        hash bytea NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
      );
      GRANT SELECT, INSERT, UPDATE ON operator_keys TO operator;
      GRANT SELECT ON operator_keys TO lookup;

      CREATE TABLE provider_accounts (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        name text NOT NULL,
        provider text NOT NULL,
        mode text NOT NULL CHECK (mode IN ('live', 'test')),
        credentials_enc bytea NOT NULL,
        settings jsonb NOT NULL,
        webhook_secrets_enc bytea,
        -- HMACs of the token in the webhook's URL; two while rotating.
        webhook_token_hash bytea NOT NULL,
        webhook_previous_token_hash bytea,
        webhook_token_enc bytea NOT NULL,
        delivery_events text NOT NULL CHECK (delivery_events IN ('full', 'partial', 'none')),
        honours_call_id boolean NOT NULL DEFAULT false,
        per_second int,
        per_day int,
        price_micros bigint,
        price_currency text,
        enabled boolean NOT NULL DEFAULT true,
        last_event_at timestamptz,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, name)
      );
      ${wallOff('provider_accounts', { app: 'SELECT, INSERT, UPDATE', everywhere: { lookup: 'SELECT' } })};

      CREATE TABLE sending_domains (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        domain text NOT NULL,
        state text NOT NULL DEFAULT 'unverified' CHECK (state IN ('unverified', 'verified')),
        created_at timestamptz NOT NULL DEFAULT now(),
        verified_at timestamptz,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, domain)
      );
      ${wallOff('sending_domains', { app: 'SELECT, INSERT, UPDATE, DELETE' })};

      CREATE TABLE templates (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        key text NOT NULL CHECK (key ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
        name text NOT NULL,
        published_version int,
        archived_at timestamptz,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, key)
      );
      ${wallOff('templates', { app: 'SELECT, INSERT, UPDATE' })};

      CREATE TABLE template_versions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        template_id uuid NOT NULL,
        number int NOT NULL,
        status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published')),
        subject text NOT NULL,
        preheader text,
        html text,
        text text,
        variables_schema jsonb,
        sample jsonb,
        locale text,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz,
        published_by text,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, template_id, number),
        FOREIGN KEY (tenant_id, template_id) REFERENCES templates (tenant_id, id)
      );
      ${wallOff('template_versions', { app: 'SELECT, INSERT, UPDATE' })};
      CREATE FUNCTION refuse_published_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'a published template version cannot change'; END $$;
      CREATE TRIGGER published_is_immutable BEFORE UPDATE ON template_versions
        FOR EACH ROW WHEN (OLD.status = 'published') EXECUTE FUNCTION refuse_published_change();

      CREATE TABLE suppressions (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        address_hash bytea NOT NULL,
        address_enc bytea NOT NULL,
        stream text NOT NULL CHECK (stream IN ('transactional', 'marketing')),
        reason text NOT NULL,
        source text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, address_hash, stream)
      );
      ${wallOff('suppressions', {
        app: 'SELECT, INSERT, UPDATE, DELETE',
        everywhere: { relay: 'SELECT, INSERT' },
      })};

      -- Append-only: nobody is granted UPDATE or DELETE.
      CREATE TABLE audit_log (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        actor text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        details jsonb,
        request_id text,
        PRIMARY KEY (tenant_id, id)
      );
      ${wallOff('audit_log', { app: 'SELECT, INSERT', everywhere: { operator: 'SELECT, INSERT' } })};
    `);

    // Before the tenant is known. Owned by lookup: owned by the tables' owner they would see nothing under FORCE.
    this.addSql(`
      CREATE FUNCTION find_api_key(wanted bytea) RETURNS TABLE (
        tenant_id uuid, id uuid, mode text, scopes text[], expires_at timestamptz, revoked_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
        $$ SELECT tenant_id, id, mode, scopes, expires_at, revoked_at FROM api_keys WHERE hash = wanted $$;
      CREATE FUNCTION find_operator_key(wanted bytea) RETURNS TABLE (
        id uuid, expires_at timestamptz, revoked_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
        $$ SELECT id, expires_at, revoked_at FROM operator_keys WHERE hash = wanted $$;
      CREATE FUNCTION find_webhook_account(wanted uuid) RETURNS TABLE (
        tenant_id uuid, provider text, token_hash bytea, previous_token_hash bytea)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
        $$ SELECT tenant_id, provider, webhook_token_hash, webhook_previous_token_hash
           FROM provider_accounts WHERE id = wanted $$;
      -- A function's new owner must be able to make things in its schema; only for this moment.
      GRANT CREATE ON SCHEMA public TO lookup;
      ALTER FUNCTION find_api_key OWNER TO lookup;
      ALTER FUNCTION find_operator_key OWNER TO lookup;
      ALTER FUNCTION find_webhook_account OWNER TO lookup;
      REVOKE CREATE ON SCHEMA public FROM lookup;
    `);
    for (const name of [
      'find_api_key(bytea)',
      'find_operator_key(bytea)',
      'find_webhook_account(uuid)',
    ]) {
      this.addSql(`SET LOCAL ROLE lookup`);
      this.addSql(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
      this.addSql(`GRANT EXECUTE ON FUNCTION ${name} TO app`);
      this.addSql(`RESET ROLE`);
    }
  }
}
