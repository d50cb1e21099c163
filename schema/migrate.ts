import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { Migrator } from '@mikro-orm/migrations';
import { migrations } from './migrations/index.ts';

/**
 * Brings PostgreSQL to the newest shape, as role `owner`; nothing to do is fine. Two at once wait for each other.
 * @returns the names of what was applied
 */
export async function migrate(ownerUrl: string): Promise<string[]> {
  const orm = await MikroORM.init({
    clientUrl: ownerUrl,
    entities: [],
    discovery: { warnWhenNoEntities: false },
    extensions: [Migrator],
    logger: () => undefined,
    migrations: {
      tableName: 'migrations',
      migrationsList: migrations,
      allOrNothing: true,
      snapshot: false,
      silent: true,
    },
  });
  const lock = new pg.Client({ connectionString: ownerUrl });
  try {
    await lock.connect();
    await lock.query(`SELECT pg_advisory_lock(hashtext('migrate'))`);
    const applied = await orm.migrator.up();
    return applied.map(({ name }) => name);
  } finally {
    await lock.end();
    await orm.close(true);
  }
}
