export interface ClickhouseMigration {
  name: string;
  /** Each can run twice: CREATE … IF NOT EXISTS, ADD COLUMN IF NOT EXISTS and so on. No database in the names. */
  statements: string[];
}

/** In order; what was once released never changes. */
export const clickhouseMigrations: ClickhouseMigration[] = [
  {
    name: '0001-events',
    statements: [
      // One row per event whatever is inserted again: rows of one key replace each other, the highest version stands.
      // Partitions follow the event's own time, which never changes, so all versions of a row meet.
      `CREATE TABLE IF NOT EXISTS events (
        tenant_id UUID,
        message_id UUID,
        event_id UUID,
        type LowCardinality(String),
        at DateTime64(3, 'UTC'),
        received_at DateTime64(3, 'UTC'),
        recipient_id UUID,
        domain LowCardinality(String),
        attempt UInt16,
        call_id Nullable(UUID),
        source LowCardinality(String) COMMENT 'platform: what we did; provider: what a provider or reader did',
        provider LowCardinality(String),
        account_id UUID,
        bounce_kind LowCardinality(String),
        reason LowCardinality(String),
        machine Bool,
        mode LowCardinality(String),
        stream LowCardinality(String),
        template LowCardinality(String),
        template_version UInt32,
        tags Array(LowCardinality(String)),
        version UInt64
      )
      ENGINE = ReplacingMergeTree(version)
      PARTITION BY toYYYYMM(at)
      ORDER BY (tenant_id, message_id, event_id)
      SETTINGS non_replicated_deduplication_window = 1000`,
      // Read through these: the table itself may hold a row more than once until parts are merged.
      `CREATE VIEW IF NOT EXISTS message_events AS SELECT * FROM events FINAL`,
      `CREATE VIEW IF NOT EXISTS recipient_facts AS
        SELECT tenant_id, message_id, recipient_id, any(mode) AS mode, any(stream) AS stream, any(template) AS template,
          any(domain) AS domain,
          argMaxIf(provider, at, type = 'attempt_accepted') AS provider,
          minIf(at, type = 'accepted') AS accepted_at,
          countIf(type IN ('attempt_accepted', 'attempt_refused', 'attempt_unknown')) AS outcomes,
          minIf(at, type = 'attempt_accepted') AS sent_at,
          countIf(type = 'attempt_accepted') > 0 AS is_sent,
          countIf(type = 'delivered') > 0 AS is_delivered,
          countIf(type = 'bounced') > 0 AS is_bounced,
          countIf(type = 'bounced' AND bounce_kind = 'hard') > 0 AS is_hard_bounced,
          countIf(type = 'complained') > 0 AS is_complained,
          countIf(type = 'opened' AND NOT machine) > 0 AS is_opened,
          countIf(type = 'clicked') > 0 AS is_clicked,
          countIf(type = 'suppressed') > 0 AS is_suppressed,
          countIf(type = 'cancelled') > 0 AS is_cancelled,
          countIf(type = 'failed') > 0 AS is_failed
        FROM events FINAL
        GROUP BY tenant_id, message_id, recipient_id`,
      `CREATE VIEW IF NOT EXISTS hourly_events AS
        SELECT tenant_id, mode, stream, provider, type, toStartOfHour(at) AS hour, count() AS events,
          uniqExact(recipient_id) AS recipients
        FROM events FINAL
        GROUP BY tenant_id, mode, stream, provider, type, hour`,
    ],
  },
];
