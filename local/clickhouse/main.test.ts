import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { z } from 'zod';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const logLine = z.object({
  msg: z.string(),
  url: z.string().optional(),
  err: z.unknown().optional(),
});
type LogLine = z.infer<typeof logLine>;

describe('clickhouse front process', () => {
  let dir: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clickhouse-front-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await rm(dir, { recursive: true, force: true });
  });

  /** With its first log line. */
  async function run(
    more: Record<string, string> = {},
  ): Promise<{ child: ChildProcess; line: LogLine }> {
    const env = {
      PATH: process.env.PATH,
      CLICKHOUSE_FRONT_PORT: '0',
      CLICKHOUSE_FRONT_DIR: dir,
      ...more,
    };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    for await (const line of createInterface({ input: child.stdout }))
      return { child, line: logLine.parse(JSON.parse(line)) };
    throw new Error('The process ended without a word.');
  }
  async function runWithClient(more: Record<string, string> = {}) {
    const { child, line } = await run(more);
    assert.equal(line.msg, 'listening');
    const client = createClient({ url: line.url, log: { level: ClickHouseLogLevel.OFF } });
    return { child, client };
  }
  const exitOf = async (child: ChildProcess) =>
    child.exitCode ?? ((await once(child, 'exit')) as [number | null])[0];

  it('loses no acknowledged row in SIGKILLs during inserts, and starts again at once', async () => {
    const acknowledged: number[] = [];
    let next = 0;
    for (let round = 0; round < 4; round += 1) {
      const { child, client } = await runWithClient();
      await client.command({
        query: `CREATE TABLE IF NOT EXISTS rows (id UInt32, text String)
          ENGINE = ReplacingMergeTree PARTITION BY intDiv(id, 5000) ORDER BY id`,
      });
      const kill = sleep(150 + 130 * round).then(() => child.kill('SIGKILL'));
      const writer = async () => {
        for (;;) {
          const ids = Array.from({ length: 200 }, () => next++);
          const values = ids.map((id) => ({ id, text: `row ${id}` }));
          await client.insert({ table: 'rows', values, format: 'JSONEachRow' });
          acknowledged.push(...ids);
        }
      };
      await Promise.allSettled([writer(), writer(), writer()]);
      await kill;
      await exitOf(child);
      await client.close();
    }
    const { client } = await runWithClient();
    const result = await client.query({
      query: "SELECT DISTINCT id FROM rows WHERE text = concat('row ', toString(id))",
      format: 'JSONCompactEachRow',
    });
    const found = new Set((await result.json<[number]>()).map(([id]) => id));
    await client.close();
    assert.ok(acknowledged.length > 2_000, `only ${acknowledged.length} rows were written`);
    assert.deepEqual(
      acknowledged.filter((id) => !found.has(id)),
      [],
    );
  });

  it('at SIGTERM finishes what runs and exits with 0', async () => {
    const { child, client } = await runWithClient();
    const query = client.query({ query: 'SELECT sleep(2) AS a', format: 'JSONEachRow' });
    await sleep(200);
    child.kill('SIGTERM');
    assert.deepEqual(await (await query).json(), [{ a: 0 }]);
    assert.equal(await exitOf(child), 0);
    await client.close();
  });

  it('refuses a folder in use with a sentence, and takes it over from a killed process', async () => {
    const first = await runWithClient();
    await first.client.close();
    const second = await run();
    assert.equal(await exitOf(second.child), 1);
    assert.match(
      JSON.stringify(second.line.err),
      /is in use by another ClickHouse front: stop that one/,
    );
    first.child.kill('SIGKILL');
    await exitOf(first.child);
    const third = await runWithClient();
    assert.deepEqual(await third.client.ping(), { success: true });
    await third.client.close();
  });

  it('ends with its parent', async () => {
    const { child, client } = await runWithClient({ EXIT_WITH_PARENT: '1' });
    const query = client.query({ query: 'SELECT sleep(3)', format: 'JSONEachRow' });
    query.catch(() => undefined);
    await sleep(200);
    child.stdin?.end();
    const exit = await Promise.race([exitOf(child), sleep(2_000, 'still there', { ref: false })]);
    assert.notEqual(exit, 'still there');
    await client.close();
  });

  it('works in UTC whatever the machine’s zone', async () => {
    const { client } = await runWithClient({ TZ: 'Asia/Tokyo' });
    const query = 'SELECT timezone() AS zone, toString(toDateTime(0)) AS time';
    const result = await client.query({ query, format: 'JSONEachRow' });
    assert.deepEqual(await result.json(), [{ zone: 'UTC', time: '1970-01-01 00:00:00' }]);
    await client.close();
  });

  it('names a missing setting', async () => {
    const child = spawn(process.execPath, [MAIN], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    let text = '';
    child.stderr.on('data', (chunk) => (text += String(chunk)));
    assert.equal(await exitOf(child), 1);
    assert.match(text, /CLICKHOUSE_FRONT_DIR/);
  });
});
