import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { createLog } from '../../runtime/log.ts';
import { startClickhouseFront, type ClickhouseFront } from './front.ts';

const log = createLog('clickhouse-front', 'silent');
const quiet = { level: ClickHouseLogLevel.OFF };

describe('clickhouse front', () => {
  let dir: string;
  let front: ClickhouseFront;
  let client: ClickHouseClient;
  const start = () => startClickhouseFront({ host: '127.0.0.1', port: 0, dir, log });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clickhouse-front-'));
    front = await start();
    client = createClient({ url: front.url, log: quiet });
    await client.command({ query: 'CREATE DATABASE mail' });
  });
  after(async () => {
    await client.close();
    await front.close();
    await rm(dir, { recursive: true });
  });

  const rows = async (query: string, more: object = {}): Promise<unknown[]> =>
    (await client.query({ query, format: 'JSONEachRow', ...more })).json();
  const post = (search: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${front.url}/?${search}`, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers,
    });
  const table = async (
    name: string,
    columns: string,
    rest = 'ENGINE = MergeTree ORDER BY tuple()',
  ) => {
    await client.command({ query: `CREATE TABLE ${name} (${columns}) ${rest}` });
    return name;
  };

  describe('queries', () => {
    it('answers ping and bare requests', async () => {
      assert.deepEqual(await client.ping(), { success: true });
      assert.deepEqual(await client.ping({ select: true }), { success: true });
      for (const path of ['/', '/ping'])
        assert.equal(await (await fetch(front.url + path)).text(), 'Ok.\n');
    });

    it('answers in the format of the statement, of the request, or TabSeparated', async () => {
      const select = "SELECT 1 AS a, 'x' AS b";
      const text = async (format: 'CSV' | 'TabSeparatedWithNames' | 'CSVWithNames') =>
        (await client.query({ query: select, format })).text();
      assert.equal(await text('CSV'), '1,"x"\n');
      assert.equal(await text('CSVWithNames'), '"a","b"\n1,"x"\n');
      assert.equal(await text('TabSeparatedWithNames'), 'a\tb\n1\tx\n');
      const json = await client.query({ query: select, format: 'JSON' });
      assert.equal((await json.json()).rows, 1);
      const plain = await fetch(`${front.url}/?query=${encodeURIComponent(select)}`);
      assert.equal(plain.headers.get('x-clickhouse-format'), 'TabSeparated');
      assert.equal(await plain.text(), '1\tx\n');
      assert.equal(await (await post('default_format=CSV', select)).text(), '1,"x"\n');
      assert.equal(await (await post('query=SELECT', '2')).text(), '2\n');
    });

    it('returns the query id of the caller', async () => {
      const { query_id } = await client.query({ query: 'SELECT 1', query_id: 'mine' });
      assert.equal(query_id, 'mine');
      const response = await post('query_id=mine', 'SELECT 1');
      assert.equal(response.headers.get('x-clickhouse-query-id'), 'mine');
    });

    const values: [type: string, value: unknown, expected?: unknown][] = [
      ['String', `it's "quoted" \\ back\\n\n\t\r\0 ü 漢字 😀 {x:String} ; -- /* $$`],
      ['String', ''],
      ['Array(String)', ["a'b", 'c\\d', 'e\nf', 'ü', '']],
      ['Nullable(String)', null],
      ['Nullable(String)', '\\N'],
      ['Int64', 9223372036854775807n, '9223372036854775807'],
      ['UUID', '61f0c404-5cb3-11e7-907b-a6006ad3dba0'],
      ['DateTime64(3)', new Date('2026-01-02T03:04:05.678Z'), '2026-01-02 03:04:05.678'],
      ['Bool', true],
      ['Map(String, String)', { "k'": 'v\\' }],
    ];
    for (const [type, value, expected = value] of values) {
      it(`binds ${type} ${typeof value === 'bigint' ? value.toString() : JSON.stringify(value)}`, async () => {
        for (const use_multipart_params of [false, true]) {
          const found = await rows(`SELECT {value:${type}} AS value`, {
            query_params: { value },
            use_multipart_params,
            clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
          });
          assert.deepEqual(found, [{ value: expected }]);
        }
      });
    }

    it('applies settings and parameters to their own request only', async () => {
      const query = "SELECT getSetting('max_threads') AS threads";
      const settings = { max_threads: 7, select_sequential_consistency: '1', wait_end_of_query: 1 };
      assert.deepEqual(await rows(query, { clickhouse_settings: settings }), [{ threads: 7 }]);
      const [without] = (await rows(query)) as { threads: unknown }[];
      assert.notEqual(without?.threads, 7);
      await rows('SELECT {a:String}', { query_params: { a: 'secret' } });
      await assert.rejects(rows('SELECT {a:String}'), { type: 'UNKNOWN_QUERY_PARAMETER' });
    });

    it('takes the database of the request', async () => {
      const mail = createClient({ url: front.url, log: quiet, database: 'mail' });
      const result = await mail.query({
        query: 'SELECT currentDatabase() AS db',
        format: 'JSONEachRow',
      });
      assert.deepEqual(await result.json(), [{ db: 'mail' }]);
      await mail.close();
    });

    it('compresses both ways', async () => {
      const zipped = createClient({
        url: front.url,
        compression: { request: true, response: true },
      });
      await table('zipped', 's String');
      const sent = Array.from({ length: 500 }, (_, index) => ({ s: `row ${index}` }));
      await zipped.insert({ table: 'zipped', values: sent, format: 'JSONEachRow' });
      const result = await zipped.query({
        query: 'SELECT s FROM zipped ORDER BY s',
        format: 'JSONEachRow',
      });
      assert.equal(result.response_headers['content-encoding'], 'gzip');
      assert.equal((await result.json()).length, 500);
      await zipped.close();
    });
  });

  describe('inserts', () => {
    it('writes arrays and streams, and says how many rows', async () => {
      await table('mail.written', 'id Int64, s String, d String DEFAULT upper(s)');
      const sent = [
        { id: 1, s: 'a' },
        { id: 2, s: "it's; \n\n DROP" },
      ];
      const format = 'JSONEachRow';
      const array = await client.insert({ table: 'mail.written', values: sent, format });
      assert.equal(array.summary?.written_rows, '2');
      const values = Readable.from([
        { id: 3, s: 'c' },
        { id: 4, s: 'd' },
      ]);
      await client.insert({ table: 'mail.written', values, format, columns: ['id', 's'] });
      assert.deepEqual(await rows('SELECT s, d FROM mail.written ORDER BY id'), [
        { s: 'a', d: 'A' },
        { s: "it's; \n\n DROP", d: "IT'S; \n\n DROP" },
        { s: 'c', d: 'C' },
        { s: 'd', d: 'D' },
      ]);
    });

    it('never takes rows for statements', async () => {
      await table('safe', 'a Int64, s String');
      const attacks = [
        ['query=INSERT+INTO+safe+FORMAT+CSV', '1,x\n\n\nDROP TABLE safe\n'],
        ['', 'INSERT INTO safe FORMAT CSV\n2,x\n\n;DROP TABLE safe'],
        ['', "INSERT INTO safe VALUES (3, 'x\n\n');\n\nDROP TABLE safe"],
        ['query=INSERT+INTO+safe+FORMAT+JSONEachRow', '{"a":4,"s":"x"}\n\n\nTRUNCATE TABLE safe'],
      ];
      for (const [search = '', body = ''] of attacks)
        assert.match(await (await post(search, body)).text(), /CANNOT_PARSE|Multi-statements/);
      const kept = '5,"multi\n\n\nline; DROP TABLE safe"\n\n6,y\n';
      await post(
        'query=INSERT+INTO+safe+FORMAT+CSV&input_format_csv_skip_trailing_empty_lines=1',
        kept.replace('\n\n6', '\n6'),
      );
      assert.deepEqual(await rows('SELECT a, s FROM safe ORDER BY a'), [
        { a: 5, s: 'multi\n\n\nline; DROP TABLE safe' },
        { a: 6, s: 'y' },
      ]);
    });

    it('takes the statement from the URL, the body or both', async () => {
      await table('parts', 'a Int64');
      assert.equal((await post('query=INSERT+INTO+parts+VALUES+(1),', '(2)')).status, 200);
      assert.equal((await post('', 'INSERT INTO parts FORMAT TSV\n3\n4\n')).status, 200);
      assert.equal((await post('query=INSERT+INTO+parts', 'SELECT 5')).status, 200);
      const zipped = gzipSync('{"a":6}\n');
      const search = 'query=INSERT+INTO+parts+FORMAT+JSONEachRow';
      assert.equal((await post(search, zipped, { 'content-encoding': 'gzip' })).status, 200);
      assert.equal((await post(search, '')).status, 200);
      assert.deepEqual(
        await rows('SELECT groupArray(a) AS a FROM (SELECT a FROM parts ORDER BY a)'),
        [{ a: [1, 2, 3, 4, 5, 6] }],
      );
    });

    it('binds parameters and evaluates expressions in VALUES', async () => {
      await table('computed', 'a Int64, s String');
      const text = "x\\ '); DROP TABLE computed --\n";
      await client.command({
        query: "INSERT INTO computed VALUES (40 + 2, concat('a', {text:String})), ({a:Int64}, 'b')",
        query_params: { text, a: 43 },
      });
      assert.deepEqual(await rows('SELECT a, s FROM computed ORDER BY a'), [
        { a: 42, s: `a${text}` },
        { a: 43, s: 'b' },
      ]);
    });

    it('skips an insert whose deduplication token it has seen', async () => {
      await table(
        'once',
        'a Int64',
        'ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
      );
      for (const a of [1, 2])
        await client.insert({
          table: 'once',
          values: [{ a }],
          format: 'JSONEachRow',
          clickhouse_settings: { insert_deduplication_token: 'batch-1' },
        });
      assert.deepEqual(await rows('SELECT a FROM once'), [{ a: 1 }]);
    });

    it('writes before it answers, also when asked to write later', async () => {
      await table('at_once', 'a Int64');
      await client.insert({
        table: 'at_once',
        values: [{ a: 1 }],
        format: 'JSONEachRow',
        clickhouse_settings: { async_insert: 1, wait_for_async_insert: 0 },
      });
      assert.deepEqual(await rows('SELECT a FROM at_once'), [{ a: 1 }]);
    });
  });

  describe('tables', () => {
    it('replaces, partitions, views, materialises and alters', async () => {
      await table(
        'mail.events',
        'day Date, id Int64, version Int64, state String',
        'ENGINE = ReplacingMergeTree(version) PARTITION BY day ORDER BY id',
      );
      await table('mail.seen', 'id Int64', 'ENGINE = MergeTree ORDER BY id');
      for (const query of [
        'CREATE MATERIALIZED VIEW mail.to_seen TO mail.seen AS SELECT id FROM mail.events',
        'CREATE VIEW mail.latest AS SELECT * FROM mail.events FINAL',
      ])
        await client.command({ query });
      const day = '2026-01-02';
      for (const [version, state] of [
        [1, 'sent'],
        [3, 'delivered'],
        [2, 'deferred'],
      ])
        await client.insert({
          table: 'mail.events',
          values: [{ day, id: 1, version, state }],
          format: 'JSONEachRow',
        });
      await client.command({
        query: "ALTER TABLE mail.events ADD COLUMN note String DEFAULT 'none'",
      });
      assert.deepEqual(await rows('SELECT state FROM mail.latest'), [{ state: 'delivered' }]);
      assert.deepEqual(await rows('SELECT note FROM mail.events FINAL'), [{ note: 'none' }]);
      assert.deepEqual(await rows('SELECT toUInt8(count()) AS n FROM mail.seen'), [{ n: 3 }]);
      await client.command({ query: `ALTER TABLE mail.events DROP PARTITION '${day}'` });
      assert.deepEqual(await rows('SELECT state FROM mail.latest'), []);
    });
  });

  describe('refusals', () => {
    it('are ClickHouse errors with code, type and status', async () => {
      await assert.rejects(rows('SELECT * FROM nowhere'), { code: '60', type: 'UNKNOWN_TABLE' });
      await assert.rejects(rows('selec 1'), { code: '62', type: 'SYNTAX_ERROR' });
      const unknown = { clickhouse_settings: { no_such_setting: 1 } };
      await assert.rejects(rows('SELECT 1', unknown), { code: '115', type: 'UNKNOWN_SETTING' });
      await assert.rejects(rows('SELECT 1', { session_id: 's' }), {
        type: 'NOT_IMPLEMENTED',
        message: /session_id is not supported/,
      });
      const response = await post('', 'SELECT * FROM nowhere');
      assert.equal(response.status, 404);
      assert.equal(response.headers.get('x-clickhouse-exception-code'), '60');
      await response.text();
    });

    it('name the row of a bad insert and not our files', async () => {
      await table('strict', 'a Int64');
      const response = await post(
        'query=INSERT+INTO+strict+FORMAT+JSONEachRow',
        '{"a":1}\n{"a":"x"}\n',
      );
      assert.equal(response.status, 400);
      const text = await response.text();
      assert.match(text, /at row 2/);
      assert.ok(!text.includes(dir), text);
      assert.deepEqual(await rows('SELECT * FROM strict'), []);
    });

    it('honour readonly, and GET is read-only', async () => {
      const create = 'CREATE TABLE forbidden (a Int8) ENGINE = Memory';
      for (const readonly of ['1', '2'])
        await assert.rejects(client.command({ query: create, clickhouse_settings: { readonly } }), {
          type: 'READONLY',
        });
      const withSettings = 'SELECT 1 AS a SETTINGS max_threads = 1';
      await assert.rejects(rows(withSettings, { clickhouse_settings: { readonly: '1' } }), {
        type: 'READONLY',
      });
      assert.deepEqual(await rows(withSettings, { clickhouse_settings: { readonly: '2' } }), [
        { a: 1 },
      ]);
      const settings = { readonly: '1', max_threads: 2 };
      assert.deepEqual(await rows('SELECT 1 AS a', { clickhouse_settings: settings }), [{ a: 1 }]);
      for (const search of ['query=', 'readonly=0&query='])
        assert.equal(
          (await fetch(`${front.url}/?${search}${encodeURIComponent(create)}`)).status,
          403,
        );
    });

    it('keep other web sites out', async () => {
      const headers = { 'sec-fetch-site': 'cross-site' };
      assert.equal((await post('', 'SELECT 1', headers)).status, 403);
    });

    it('stop a body that is too large, and take the next one', async () => {
      await table('large', 's String');
      const values = Readable.from(Array<object>(65).fill({ s: 'x'.repeat(1024 * 1024) }));
      await assert.rejects(client.insert({ table: 'large', values, format: 'JSONEachRow' }), {
        type: 'QUERY_IS_TOO_LARGE',
      });
      const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024, '\n'));
      const response = await post('query=INSERT+INTO+large+FORMAT+TSV', bomb, {
        'content-encoding': 'gzip',
      });
      assert.equal(response.status, 413);
      assert.deepEqual(await rows('SELECT toUInt8(count()) AS n FROM large'), [{ n: 0 }]);
    });

    it('end a query that takes too long', async () => {
      const slow = rows('SELECT sum(sipHash64(number)) FROM numbers(1000000000000)', {
        clickhouse_settings: { max_execution_time: 1 },
      });
      await assert.rejects(slow, { type: 'TIMEOUT_EXCEEDED' });
    });
  });

  it('gives up a query nobody waits for', async () => {
    const client_ = new AbortController();
    const marked = 'SELECT sum(sipHash64(number + 17)) FROM numbers(1000000000000)';
    const slow = rows(marked, { abort_signal: client_.signal });
    const running = async () =>
      (
        await rows(
          `SELECT query FROM system.processes WHERE query LIKE '%sipHash64(number + 17)%' AND query NOT LIKE '%processes%'`,
        )
      ).length;
    while ((await running()) === 0) await sleep(10);
    client_.abort();
    await assert.rejects(slow);
    const end = Date.now() + 5_000;
    while ((await running()) > 0) {
      assert.ok(Date.now() < end, 'still running');
      await sleep(20);
    }
  });

  it('keeps its folder to itself, finishes what runs when closed, and finds everything again', async () => {
    await assert.rejects(start(), /is in use by another ClickHouse front: stop that one/);
    await table('mail.kept', 'a Int64');
    await client.insert({ table: 'mail.kept', values: [{ a: 1 }], format: 'JSONEachRow' });
    const running = rows('SELECT sleep(0.5) AS a');
    await sleep(100);
    const closing = front.close();
    await sleep(50);
    await assert.rejects(rows('SELECT 1'));
    assert.deepEqual(await running, [{ a: 0 }]);
    await closing;
    await client.close();
    front = await start();
    client = createClient({ url: front.url, log: quiet });
    assert.deepEqual(await rows('SELECT a FROM mail.kept'), [{ a: 1 }]);
  });
});
