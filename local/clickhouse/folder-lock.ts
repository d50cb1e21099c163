import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Makes the folder ours until released, or until this process ends in whatever way: an SQLite file carries the lock,
 * because its locks belong to the kernel, so a killed process leaves none behind. (Node has no flock of its own, and
 * the engine does not notice a second process on its data.)
 */
export function lockFolder(dir: string): { release: () => void } {
  mkdirSync(dir, { recursive: true });
  const database = new DatabaseSync(join(dir, 'lock.sqlite'), { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new Error(
      `The folder ${dir} is in use by another ClickHouse front: stop that one, or set CLICKHOUSE_FRONT_DIR to another folder.`,
      { cause },
    );
  }
  return { release: () => database.close() };
}
