import { createHash } from 'node:crypto';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { clickhouseMigrations, type ClickhouseMigration } from './migrations.ts';

const RECORDS = `
  CREATE TABLE IF NOT EXISTS migrations (name String, checksum String, at DateTime64(3) DEFAULT now64(3))
  ENGINE = ReplacingMergeTree(at) ORDER BY name`;

/**
 * Brings ClickHouse to the newest shape and makes the database when it is missing; nothing to do is fine. ClickHouse
 * has no locks, so two at once both work: every statement can run twice, and each looks again before every migration.
 * @returns the names of what was applied
 */
export async function migrateClickhouse(
  { url, database }: { url: string; database: string },
  migrations: ClickhouseMigration[] = clickhouseMigrations,
): Promise<string[]> {
  for (const { name, statements } of migrations)
    for (const statement of statements) requireRepeatable(name, statement);
  await withClient(url, 'default', (client) =>
    client.command({ query: `CREATE DATABASE IF NOT EXISTS \`${database}\`` }),
  );
  return withClient(url, database, async (client) => {
    await client.command({ query: RECORDS });
    const applied: string[] = [];
    for (const migration of migrations)
      if (await apply(client, migration)) applied.push(migration.name);
    return applied;
  });
}

async function withClient<Result>(
  url: string,
  database: string,
  work: (client: ClickHouseClient) => Promise<Result>,
): Promise<Result> {
  const log = { level: ClickHouseLogLevel.OFF };
  // Changing a large table takes its time.
  const client = createClient({ url, database, log, request_timeout: 600_000 });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function apply(client: ClickHouseClient, migration: ClickhouseMigration): Promise<boolean> {
  const { name, statements } = migration;
  const checksum = createHash('sha256').update(statements.join('\n;\n')).digest('hex');
  const recorded = await recordedChecksum(client, name);
  if (recorded === checksum) return false;
  if (recorded !== undefined)
    throw new Error(
      `ClickHouse migration ${name} was changed after it ran: add a new one instead.`,
    );
  for (const query of statements) await client.command({ query });
  await client.insert({ table: 'migrations', values: [{ name, checksum }], format: 'JSONEachRow' });
  return true;
}

async function recordedChecksum(client: ClickHouseClient, name: string) {
  const result = await client.query({
    query: 'SELECT checksum FROM migrations FINAL WHERE name = {name:String}',
    query_params: { name },
    format: 'JSONEachRow',
    clickhouse_settings: { select_sequential_consistency: '1' },
  });
  const [row] = await result.json<{ checksum: string }>();
  return row?.checksum;
}

const REPEATABLE: { begins: RegExp; holds: RegExp }[] = [
  { begins: /^CREATE /i, holds: / IF NOT EXISTS | OR REPLACE /i },
  { begins: /^DROP /i, holds: / IF EXISTS /i },
  { begins: /^ALTER TABLE \S+ ADD /i, holds: / ADD (COLUMN|INDEX|PROJECTION) IF NOT EXISTS /i },
  { begins: /^ALTER TABLE \S+ DROP /i, holds: / DROP (COLUMN|INDEX|PROJECTION) IF EXISTS /i },
  { begins: /^ALTER TABLE \S+ (MODIFY|MATERIALIZE) /i, holds: /./ },
];

/** One change per statement: of several in one ALTER only the first would be looked at. */
function requireRepeatable(name: string, statement: string): void {
  const words = statement.trim().replace(/\s+/g, ' ');
  const rule = REPEATABLE.find(({ begins }) => begins.test(words));
  if (rule?.holds.test(words) === true) return;
  throw new Error(
    `ClickHouse migration ${name} has a statement that may not be run twice: ${words.slice(0, 80)}. ` +
      'Use IF NOT EXISTS or IF EXISTS, one change per statement.',
  );
}
