import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { processIdentity } from '../process-identity.ts';
import { freePort } from '../ports.ts';
import { randomPasswords } from '../secrets.ts';
import { removePostgresPlace } from './postgres-place.ts';
import { startPostgres, type RunningPostgres } from './postgres.ts';

describe('PostgreSQL', function () {
  this.timeout(30_000);
  const passwords = randomPasswords();
  let dir: string;
  let running: RunningPostgres;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'postgres-'));
    chmodSync(dir, 0o711);
    running = await startIn(join(dir, 'data'));
  });
  after(async () => {
    await running.stop();
    removePostgresPlace(join(dir, 'data'));
    rmSync(dir, { recursive: true });
  });

  async function startIn(data: string, change: { passwords?: typeof passwords } = {}) {
    const options = { dir: data, port: await freePort(), passwords, logDir: join(dir, 'logs') };
    return startPostgres({ ...options, ...change, isThrownAway: true });
  }

  async function query(
    sql: string,
    role: Parameters<RunningPostgres['urlOf']>[0] = 'owner',
    server = running,
  ) {
    const client = new pg.Client({ connectionString: server.urlOf(role) });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('flushes what is committed', async () => {
    const names = `('fsync', 'synchronous_commit', 'full_page_writes')`;
    const rows = await query(`select setting from pg_settings where name in ${names}`);
    assert.deepEqual(
      rows.map(({ setting }) => setting),
      ['on', 'on', 'on'],
    );
  });

  it('keeps text in UTF-8 and sorts it the same everywhere', async () => {
    const [row] = await query(
      `select pg_encoding_to_char(encoding) as encoding, datlocprovider::text as provider, datlocale as locale
       from pg_database where datname = current_database()`,
    );
    assert.deepEqual(row, { encoding: 'UTF8', provider: 'b', locale: 'C.UTF-8' });
  });

  it('has no role but its own superuser that could pass by row-level security', async () => {
    const rows = await query(
      'select rolname from pg_roles where rolsuper or rolbypassrls or rolreplication',
    );
    assert.deepEqual(rows, [{ rolname: 'postgres' }]);
  });

  for (const role of ['app', 'relay', 'operator'] as const) {
    it(`lets ${role} log in, who can make nothing`, async () => {
      assert.deepEqual(await query('select current_user as name', role), [{ name: role }]);
      await assert.rejects(query('create table public.t ()', role), /permission denied/);
      await assert.rejects(query('create role r', role), /permission denied/);
      await assert.rejects(query('set role owner', role), /permission denied/);
    });
  }

  it('lets owner make functions that belong to lookup, who cannot log in', async () => {
    await query(`grant create on schema public to lookup`);
    await query(`create function answer() returns int language sql as 'select 42'`);
    await query('alter function answer() owner to lookup');
    const [row] = await query(`select rolcanlogin from pg_roles where rolname = 'lookup'`);
    assert.deepEqual(row, { rolcanlogin: false });
  });

  it('does not start on data of other passwords, and leaves no process', async () => {
    const data = join(dir, 'other');
    const first = await startIn(data);
    await first.stop();
    const start = startIn(data, { passwords: randomPasswords() });
    await assert.rejects(start, /refuses the password in secrets\.json/);
    await (await startIn(data)).stop();
  });

  it('starts although its pid file names a process of somebody else', async () => {
    const data = join(dir, 'reused');
    const first = await startIn(data);
    await first.stop();
    assert.equal(processIdentity(first.child.pid), undefined);
    const cluster = join(data, 'cluster');
    writeFileSync(join(cluster, 'postmaster.pid'), `${running.child.pid}\n${cluster}\n`);
    await (await startIn(data)).stop();
  });

  it('moves its data where its user can reach it, finds it again, and removes it', async function () {
    if (userInfo().uid !== 0) this.skip(); // anybody else is that user
    const closed = join(dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const data = join(closed, 'data');
    const first = await startIn(data);
    await query('create table kept ()', 'owner', first);
    await first.stop();
    const { movedTo } = first;
    assert.ok(movedTo !== undefined && existsSync(movedTo));

    const second = await startIn(data);
    assert.equal(second.movedTo, movedTo);
    await query('select from kept', 'owner', second);
    await second.stop();
    removePostgresPlace(data);
    assert.ok(!existsSync(movedTo));
  });
});
