import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removePostgresPlace } from '../local/engines/postgres-place.ts';
import { startPostgres } from '../local/engines/postgres.ts';
import { startClickHouse } from '../local/engines/services.ts';
import { findTemporalBinary } from '../local/engines/temporal-binary.ts';
import { startTemporal } from '../local/engines/temporal.ts';
import { freePort } from '../local/ports.ts';
import { randomPasswords } from '../local/secrets.ts';

// Mocha's global fixture: `--require test/engines.ts`. One PostgreSQL, one Temporal and one ClickHouse for the whole
// run, on free ports and in a folder that is removed afterwards. When mocha is killed, they end by themselves.

export interface Engines {
  environment: Record<string, string>;
  stop: () => Promise<void>;
}

let engines: Engines | undefined;

export async function mochaGlobalSetup(): Promise<void> {
  engines = await startEngines();
  Object.assign(process.env, engines.environment);
}

export async function mochaGlobalTeardown(): Promise<void> {
  await engines?.stop();
}

/** All three at once. The environment says where they are; when one does not start, none is left. */
export async function startEngines(): Promise<Engines> {
  const dir = mkdtempSync(join(tmpdir(), 'email-platform-test-'));
  chmodSync(dir, 0o711); // as root, PostgreSQL's own user must pass through it
  const postgresDir = join(dir, 'postgres');
  const logDir = join(dir, 'logs');
  const passwords = randomPasswords();

  const started = await Promise.allSettled([
    freePort().then((port) =>
      startPostgres({ dir: postgresDir, port, passwords, logDir, isThrownAway: true }),
    ),
    temporal(join(dir, 'temporal'), logDir),
    freePort().then((port) => startClickHouse({ dir: join(dir, 'clickhouse'), port, logDir })),
  ]);
  const stop = async () => {
    const running = started.filter((result) => result.status === 'fulfilled');
    await Promise.all(running.map(({ value }) => value.stop()));
    removePostgresPlace(postgresDir);
    rmSync(dir, { recursive: true, force: true });
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) await stop();
  const [postgres, temporalServer, clickhouse] = started;
  if (
    postgres.status === 'rejected' ||
    temporalServer.status === 'rejected' ||
    clickhouse.status === 'rejected'
  )
    throw failed?.reason;

  const { urlOf } = postgres.value;
  return {
    environment: {
      TEST_DATABASE_SUPERUSER_URL: urlOf('postgres'),
      TEST_DATABASE_OWNER_URL: urlOf('owner'),
      TEST_DATABASE_URL: urlOf('app'),
      TEST_DATABASE_RELAY_URL: urlOf('relay'),
      TEST_DATABASE_OPERATOR_URL: urlOf('operator'),
      TEST_TEMPORAL_ADDRESS: temporalServer.value.address,
      TEST_CLICKHOUSE_URL: clickhouse.value.url,
    },
    stop,
  };
}

async function temporal(dir: string, logDir: string) {
  const binary = await findTemporalBinary({
    cacheDir: fileURLToPath(new URL('../.cache', import.meta.url)),
    environment: process.env,
    say: (line) => console.error(line),
  });
  return startTemporal({ binary, dir, port: await freePort(), logDir, isThrownAway: true });
}
