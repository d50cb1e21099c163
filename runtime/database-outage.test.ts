import assert from 'node:assert/strict';
import { cuttable } from '../test/support/cuttable.ts';
import { connectDatabase, query } from './database.ts';
import { createLog } from './log.ts';

it('loses no place in the pool when connections break within transactions', async () => {
  const way = await cuttable(new URL(process.env['TEST_DATABASE_RELAY_URL']!));
  const log = createLog('test', 'silent');
  const database = await connectDatabase({
    role: 'relay',
    url: way.url.href,
    poolSize: 2,
    entities: [],
    log,
  });
  const ask = (sql: string) => database.transaction((em) => query(em, sql));
  try {
    for (const sql of ['SELECT pg_sleep(5)', 'SELECT 1']) {
      await Promise.all([ask('SELECT 1'), ask('SELECT 1')]);
      if (sql === 'SELECT 1') await way.cut(); // the next BEGIN finds a dead connection
      const broken = Promise.allSettled([ask(sql), ask(sql)]);
      if (sql !== 'SELECT 1') {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await way.cut();
      }
      assert.ok((await broken).every(({ status }) => status === 'rejected'));
      await way.mend();
      await Promise.all([ask('SELECT 1'), ask('SELECT 1')]);
    }
  } finally {
    await database.close();
    await way.close();
  }
});
