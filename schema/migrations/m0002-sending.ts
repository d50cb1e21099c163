import { Migration } from '@mikro-orm/migrations';
import { wallOff } from './row-level-security.ts';

/** Messages, recipients, provider calls, attempts, starts, idempotency. */
export class Sending extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE messages (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        mode text NOT NULL CHECK (mode IN ('live', 'test')),
        stream text NOT NULL CHECK (stream IN ('transactional', 'marketing')),
        status text NOT NULL,
        reason text,
        -- How many recipients the acceptance named: what the balance is reckoned from.
        recipient_count int NOT NULL,
        envelope_enc bytea NOT NULL,
        template_id uuid,
        template_key text,
        template_version int,
        tags text[] NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        topic text,
        wait_for text NOT NULL CHECK (wait_for IN ('delivery', 'acceptance')),
        wait_note text,
        tracking_opens boolean NOT NULL,
        tracking_clicks boolean NOT NULL,
        routing jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        scheduled_at timestamptz,
        expires_at timestamptz,
        retry_until timestamptz NOT NULL,
        run_no int NOT NULL DEFAULT 1,
        started_at timestamptz,
        -- Non-final messages are compared with Temporal from here on; null once nothing is left to do.
        check_at timestamptz,
        sent_at timestamptz,
        settled_at timestamptz,
        settled_by text,
        cancelled_at timestamptz,
        cancelled_by text,
        held_reason text,
        held_until timestamptz,
        reconcile_until timestamptz,
        provider text,
        account_id uuid,
        duplicate_detected boolean NOT NULL DEFAULT false,
        traceparent text,
        request_id text,
        PRIMARY KEY (tenant_id, id)
      ) WITH (fillfactor = 70);
      CREATE INDEX messages_check ON messages (check_at) WHERE check_at IS NOT NULL;
      CREATE INDEX messages_by_mode ON messages (tenant_id, mode, id);
      ${wallOff('messages', { app: 'SELECT, INSERT, UPDATE', everywhere: { relay: 'SELECT, UPDATE' } })};

      CREATE TABLE message_contents (
        tenant_id uuid NOT NULL,
        message_id uuid NOT NULL,
        content_enc bytea NOT NULL,
        PRIMARY KEY (tenant_id, message_id),
        FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE
      );
      ${wallOff('message_contents', { app: 'SELECT, INSERT, DELETE' })};

      -- One row per recipient; its columns are the facts of its latest attempt.
      CREATE TABLE recipients (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        message_id uuid,
        campaign_id uuid,
        seq int,
        kind "char" NOT NULL,
        address_enc bytea NOT NULL,
        address_hash bytea NOT NULL,
        domain text NOT NULL,
        state "char" NOT NULL DEFAULT 'p',
        reason text,
        attempt int2 NOT NULL DEFAULT 0,
        call_id uuid,
        -- Set while a call is open: nobody acts on it before this time.
        answer_by timestamptz,
        awaiting boolean NOT NULL DEFAULT false,
        sent_at timestamptz,
        deferred_at timestamptz,
        delivered_at timestamptz,
        bounced_at timestamptz,
        rejected_at timestamptz,
        opened_at timestamptz,
        machine_opened_at timestamptz,
        clicked_at timestamptz,
        complained_at timestamptz,
        unsubscribed_at timestamptz,
        bounce_kind text,
        bounce_reason text,
        PRIMARY KEY (tenant_id, id)
      ) PARTITION BY RANGE (id);
      CREATE INDEX recipients_by_message ON recipients (tenant_id, message_id);
      CREATE INDEX recipients_by_address ON recipients (tenant_id, address_hash);
      ${wallOff('recipients', { app: 'SELECT, INSERT, UPDATE', everywhere: { relay: 'SELECT' } })};

      CREATE TABLE provider_calls (
        tenant_id uuid NOT NULL REFERENCES tenants,
        id uuid NOT NULL,
        message_id uuid,
        attempt int2 NOT NULL,
        account_id uuid NOT NULL,
        provider text NOT NULL,
        recipient_count int NOT NULL,
        state text NOT NULL DEFAULT 'claimed' CHECK (state IN ('claimed', 'unknown', 'refused', 'accepted')),
        class text,
        code text,
        words text,
        provider_message_id text,
        decision jsonb NOT NULL,
        claimed_at timestamptz NOT NULL,
        call_by timestamptz NOT NULL,
        answer_by timestamptz NOT NULL,
        done_at timestamptz,
        -- The first refusal or acceptance after an unknown, and what told us.
        reconciled_at timestamptz,
        reconciled_by text,
        repeats int NOT NULL DEFAULT 0,
        held_until timestamptz,
        price_micros bigint,
        price_currency text,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, message_id, attempt)
      ) WITH (fillfactor = 70);
      CREATE INDEX provider_calls_open ON provider_calls (answer_by) WHERE state = 'claimed';
      CREATE INDEX provider_calls_by_provider_id ON provider_calls (tenant_id, account_id, provider_message_id);
      ${wallOff('provider_calls', { app: 'SELECT, INSERT, UPDATE', everywhere: { relay: 'SELECT' } })};

      -- Where a recipient's attempt n goes when n + 1 is claimed.
      CREATE TABLE attempts (
        tenant_id uuid NOT NULL,
        recipient_id uuid NOT NULL,
        n int2 NOT NULL,
        call_id uuid NOT NULL,
        state text NOT NULL,
        sent_at timestamptz,
        deferred_at timestamptz,
        delivered_at timestamptz,
        bounced_at timestamptz,
        rejected_at timestamptz,
        opened_at timestamptz,
        machine_opened_at timestamptz,
        clicked_at timestamptz,
        complained_at timestamptz,
        unsubscribed_at timestamptz,
        bounce_kind text,
        bounce_reason text,
        PRIMARY KEY (tenant_id, recipient_id, n),
        FOREIGN KEY (tenant_id, call_id) REFERENCES provider_calls (tenant_id, id)
      );
      ${wallOff('attempts', { app: 'SELECT, INSERT, UPDATE', everywhere: { relay: 'SELECT' } })};

      CREATE TABLE workflow_starts (
        tenant_id uuid NOT NULL REFERENCES tenants,
        kind text NOT NULL CHECK (kind IN ('message', 'batch', 'campaign')),
        subject_id uuid NOT NULL,
        run_no int NOT NULL,
        -- From here on the sweep starts it; who made the row starts what is due at once.
        start_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, kind, subject_id, run_no)
      );
      CREATE INDEX workflow_starts_due ON workflow_starts (start_at);
      ${wallOff('workflow_starts', {
        app: 'SELECT, INSERT, UPDATE, DELETE',
        everywhere: { relay: 'SELECT, INSERT, UPDATE, DELETE' },
      })};

      CREATE TABLE idempotency_keys (
        tenant_id uuid NOT NULL,
        mode text NOT NULL,
        operation text NOT NULL,
        key text NOT NULL,
        body_hash bytea NOT NULL,
        status int NOT NULL,
        response_enc bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        keep_until timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, mode, operation, key)
      ) PARTITION BY HASH (tenant_id);
      ${wallOff('idempotency_keys', { app: 'SELECT, INSERT, DELETE' })};
    `);
    for (let part = 0; part < 8; part += 1) {
      this.addSql(
        `CREATE TABLE idempotency_keys_${part} PARTITION OF idempotency_keys FOR VALUES WITH (MODULUS 8, REMAINDER ${part})`,
      );
    }
  }
}
