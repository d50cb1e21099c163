import { Migration } from '@mikro-orm/migrations';
import { wallOff } from './row-level-security.ts';

/** Provider webhooks in, events, what goes out because of them, and the partitions of hot tables. */
export class Events extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE webhook_inbox (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        provider text NOT NULL,
        received_at timestamptz NOT NULL,
        body_enc bytea NOT NULL,
        -- A post that we could not take apart waits for a mended version, and is retried.
        failures int NOT NULL DEFAULT 0,
        retry_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
      );
      CREATE INDEX webhook_inbox_due ON webhook_inbox (retry_at);
      ${wallOff('webhook_inbox', {
        app: 'SELECT, INSERT, UPDATE, DELETE',
        everywhere: { relay: 'SELECT' },
      })};

      -- What providers and readers did, and our own facts (account_id all zeros).
      CREATE TABLE events (
        tenant_id uuid NOT NULL,
        day date NOT NULL,
        account_id uuid NOT NULL,
        key bytea NOT NULL,
        id uuid NOT NULL,
        type text NOT NULL,
        at timestamptz NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        message_id uuid,
        recipient_id uuid,
        attempt int2,
        call_id uuid,
        provider text,
        provider_message_id text,
        address_hash bytea,
        bounce_kind text,
        reason text,
        machine boolean,
        details_enc bytea,
        raw_enc bytea,
        lane int2 NOT NULL DEFAULT 0,
        seq bigint,
        UNIQUE (tenant_id, day, account_id, key)
      ) PARTITION BY RANGE (day);
      CREATE INDEX events_by_message ON events (tenant_id, message_id, at);
      CREATE INDEX events_by_time ON events (tenant_id, id);
      CREATE INDEX events_unmatched ON events (tenant_id, account_id, provider_message_id)
        WHERE recipient_id IS NULL;
      -- An event without a message waits for its match before it is told to ClickHouse.
      CREATE INDEX events_to_number ON events (lane, id) WHERE seq IS NULL AND message_id IS NOT NULL;
      CREATE INDEX events_by_seq ON events (lane, seq) WHERE seq IS NOT NULL;
      ${wallOff('events', { app: 'SELECT, INSERT, UPDATE', everywhere: { relay: 'SELECT, UPDATE' } })};

      -- One row per lane to ClickHouse; it has no tenant. Rows up to sent_seq are there; frozen is the batch under way.
      CREATE TABLE event_lanes (
        lane int2 PRIMARY KEY,
        last_seq bigint NOT NULL DEFAULT 0,
        sent_seq bigint NOT NULL DEFAULT 0,
        frozen_to bigint
      );
      INSERT INTO event_lanes (lane) VALUES (0);
      GRANT SELECT, UPDATE ON event_lanes TO relay;

      CREATE TABLE signals_out (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        message_id uuid NOT NULL,
        signal text NOT NULL,
        payload jsonb NOT NULL,
        retry_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
      );
      CREATE INDEX signals_out_due ON signals_out (retry_at);
      ${wallOff('signals_out', { app: 'SELECT, INSERT', everywhere: { relay: 'SELECT, UPDATE, DELETE' } })};
    `);

    // Partitions get no grants: a partition that is read directly bypasses its parent's policy.
    this.addSql(`
      CREATE FUNCTION uuid_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

      CREATE FUNCTION ensure_partitions() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
        DECLARE
          week date := date_trunc('week', now())::date;
          day date := (now() AT TIME ZONE 'UTC')::date - 1;
          made int := 0;
          name text;
        BEGIN
          PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
          FOR i IN 0..2 LOOP
            name := 'recipients_' || to_char(week + 7 * i, 'YYYYMMDD');
            IF to_regclass(name) IS NULL THEN
              EXECUTE format('CREATE TABLE %I PARTITION OF recipients FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 60)',
                name, uuid_at((week + 7 * i)::timestamp AT TIME ZONE 'UTC'), uuid_at((week + 7 * (i + 1))::timestamp AT TIME ZONE 'UTC'));
              made := made + 1;
            END IF;
          END LOOP;
          FOR i IN 0..15 LOOP
            name := 'events_' || to_char(day + i, 'YYYYMMDD');
            IF to_regclass(name) IS NULL THEN
              EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', name, day + i, day + i + 1);
              made := made + 1;
            END IF;
          END LOOP;
          RETURN made;
        END $$;
      REVOKE ALL ON FUNCTION ensure_partitions() FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION ensure_partitions() TO relay;
      CREATE TABLE recipients_default PARTITION OF recipients DEFAULT WITH (fillfactor = 60);
      CREATE TABLE events_default PARTITION OF events DEFAULT;
      SELECT ensure_partitions();
    `);
  }
}
