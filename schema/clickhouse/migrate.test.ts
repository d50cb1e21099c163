import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { connectClickhouse, selectRows, type Clickhouse } from '../../analytics/clickhouse.ts';
import { startClickhouseFront, type ClickhouseFront } from '../../local/clickhouse/front.ts';
import { createLog } from '../../runtime/log.ts';
import { migrateClickhouse } from './migrate.ts';
import type { ClickhouseMigration } from './migrations.ts';

const log = createLog('test', 'silent');
const first: ClickhouseMigration = {
  name: 'm0001',
  statements: [
    'CREATE TABLE IF NOT EXISTS things (id UInt32, at DateTime64(3)) ENGINE = MergeTree ORDER BY id',
  ],
};
const second: ClickhouseMigration = {
  name: 'm0002',
  statements: [
    "ALTER TABLE things ADD COLUMN IF NOT EXISTS note String DEFAULT 'none'",
    'CREATE VIEW IF NOT EXISTS latest AS SELECT max(id) AS id FROM things',
  ],
};

describe('clickhouse migrations', () => {
  let dir: string;
  let front: ClickhouseFront;
  let clickhouse: Clickhouse;
  let database = 'email';
  let databases = 0;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clickhouse-migrate-'));
    front = await startClickhouseFront({ host: '127.0.0.1', port: 0, dir, log });
  });
  beforeEach(() => {
    database = `email_${(databases += 1)}`;
    clickhouse = connectClickhouse({ url: front.url, database }, log);
  });
  afterEach(() => clickhouse.close());
  after(async () => {
    await front.close();
    await rm(dir, { recursive: true });
  });
  const migrate = (...migrations: ClickhouseMigration[]) =>
    migrateClickhouse({ url: front.url, database }, migrations);

  it('make the database, run in order, once', async () => {
    assert.deepEqual(await migrate(first), ['m0001']);
    const at = '2026-01-02 03:04:05.678';
    await clickhouse.insert({ table: 'things', values: [{ id: 7, at }], format: 'JSONEachRow' });
    assert.deepEqual(await migrate(first, second), ['m0002']);
    assert.deepEqual(await migrate(first, second), []);
    const row = z.object({ id: z.number(), at: z.string(), note: z.string(), n: z.number() });
    const query = 'SELECT *, count() OVER () AS n FROM things WHERE id = {id:UInt32}';
    assert.deepEqual(await selectRows(clickhouse, row, query, { id: 7 }), [
      { id: 7, at, note: 'none', n: 1 },
    ]);
  });

  it('may be run by several processes at once', async () => {
    const all = await Promise.all([1, 2, 3].map(() => migrate(first, second)));
    assert.ok(all.some((names) => names.includes('m0002')));
    assert.deepEqual(await migrate(first, second), []);
    const recorded = await selectRows(
      clickhouse,
      z.object({ name: z.string() }),
      'SELECT name FROM migrations FINAL ORDER BY name',
    );
    assert.deepEqual(recorded, [{ name: 'm0001' }, { name: 'm0002' }]);
  });

  it('go on where a crash stopped them', async () => {
    const [alter = ''] = second.statements;
    const broken = {
      name: 'm0002',
      statements: [alter, 'ALTER TABLE nowhere MODIFY COLUMN a Int8'],
    };
    await assert.rejects(migrate(first, broken), { type: 'UNKNOWN_TABLE' });
    assert.deepEqual(await migrate(first, second), ['m0002']);
  });

  it('refuse one that was changed after it ran', async () => {
    await migrate(first);
    await assert.rejects(migrate({ ...second, name: 'm0001' }), /m0001 was changed after it ran/);
  });

  for (const statement of [
    'CREATE TABLE things (id UInt32) ENGINE = Memory',
    'ALTER TABLE things ADD COLUMN note String',
    'DROP TABLE things',
    'INSERT INTO things SELECT 1',
  ])
    it(`refuse what cannot run twice: ${statement}`, async () => {
      await assert.rejects(
        migrate({ name: 'm1', statements: [statement] }),
        /may not be run twice/,
      );
    });

  it('leave reads read-only', async () => {
    await migrate(first);
    const drop = selectRows(clickhouse, z.object({}), 'DROP TABLE things');
    await assert.rejects(drop, { type: 'READONLY' });
    assert.deepEqual(await selectRows(clickhouse, z.object({}), 'SELECT * FROM things'), []);
  });
});
