import assert from 'node:assert/strict';
import { insertFromFile, readStatement } from './statement.ts';

const read = (sql: string) => readStatement(Buffer.from(sql));

describe('clickhouse statement', () => {
  const inserts: [sql: string, rewritten: string, rows: string][] = [
    ['INSERT INTO t FORMAT CSV\n1,2', "INSERT INTO t  FROM INFILE '/r' … FORMAT CSV", '1,2'],
    [
      'insert into t format JSONEachRow {"a":1}',
      "insert into t  FROM INFILE '/r' … FORMAT JSONEachRow",
      '{"a":1}',
    ],
    [
      'INSERT INTO d.t (a, b) VALUES (1, 2)',
      "INSERT INTO d.t (a, b)  FROM INFILE '/r' … FORMAT Values",
      ' (1, 2)',
    ],
    [
      'INSERT INTO t (a) SETTINGS x = 1 FORMAT TSV\r\n\n1',
      "INSERT INTO t (a)  FROM INFILE '/r' … SETTINGS x = 1  FORMAT TSV",
      '\n1',
    ],
    [
      '/* FORMAT x */ INSERT INTO `FORMAT` FORMAT CSV\n',
      "/* FORMAT x */ INSERT INTO `FORMAT`  FROM INFILE '/r' … FORMAT CSV",
      '',
    ],
    [
      'INSERT INTO TABLE values VALUES (1)',
      "INSERT INTO TABLE values  FROM INFILE '/r' … FORMAT Values",
      ' (1)',
    ],
    [
      'INSERT INTO d.format FORMAT CSV\n; DROP TABLE t',
      "INSERT INTO d.format  FROM INFILE '/r' … FORMAT CSV",
      '; DROP TABLE t',
    ],
    [
      "INSERT INTO TABLE FUNCTION null('a Int8') FORMAT CSV 1",
      "INSERT INTO TABLE FUNCTION null('a Int8')  FROM INFILE '/r' … FORMAT CSV",
      '1',
    ],
  ];
  for (const [sql, rewritten, rows] of inserts) {
    it(`cuts the rows off: ${JSON.stringify(sql)}`, () => {
      const statement = read(sql);
      assert.ok(statement.kind === 'insert');
      assert.equal(
        insertFromFile(statement, '/r')
          .replace(/COMPRESSION 'none' /, '… ')
          .replace('…  ', '… '),
        rewritten,
      );
      assert.equal(statement.rows.toString(), rows);
    });
  }

  it('leaves rows of a binary format as they are', () => {
    const rows = Buffer.from([0xff, 0x00, 0x27, 0xc3]);
    const statement = readStatement(
      Buffer.concat([Buffer.from('INSERT INTO ü FORMAT RowBinary\n'), rows]),
    );
    assert.ok(statement.kind === 'insert');
    assert.deepEqual([...statement.rows], [...rows]);
    assert.equal(statement.target, 'INSERT INTO ü ');
  });

  const plain: [sql: string, isRead: boolean, format: string | undefined][] = [
    ['SELECT 1', true, undefined],
    ['SELECT 1 FORMAT JSON;', true, 'JSON'],
    ["SELECT 'FORMAT x' AS format FROM (SELECT 1 FORMAT Null) -- FORMAT CSV", true, undefined],
    ['WITH 1 AS x SELECT x FORMAT JSONEachRow SETTINGS max_threads = 1', true, 'JSONEachRow'],
    ['CREATE TABLE t (a Int8) ENGINE = Memory', false, undefined],
    ['INSERT INTO t SELECT 1 AS values', false, undefined],
    ['INSERT INTO t (SELECT 1)', false, undefined],
    ["SELECT ';' , `;`, \"a;\"\";\", 'it\\';', $x$;$x$ /* ; /* ; */ ; */ # ;\n;;", true, undefined],
  ];
  for (const [sql, isRead, format] of plain) {
    it(`passes: ${sql}`, () => {
      assert.deepEqual(read(sql), { kind: 'plain', text: sql, isRead, format });
    });
  }

  const refused: [sql: string, type: string][] = [
    ['', 'SYNTAX_ERROR'],
    ['-- nothing', 'SYNTAX_ERROR'],
    ['SELECT 1; DROP TABLE t', 'SYNTAX_ERROR'],
    ["SELECT 'a\\\\'; DROP TABLE t -- '", 'SYNTAX_ERROR'],
    ['INSERT INTO t VALUES (1); DROP TABLE t', 'SYNTAX_ERROR'],
    ['INSERT INTO t', 'SYNTAX_ERROR'],
    ["INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 'NOT_IMPLEMENTED'],
    ["SELECT 1 INTO OUTFILE '/tmp/x'", 'NOT_IMPLEMENTED'],
    ["INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1", 'NOT_IMPLEMENTED'],
  ];
  for (const [sql, type] of refused) {
    it(`refuses: ${JSON.stringify(sql)}`, () => {
      assert.throws(() => read(sql), { name: 'ClickhouseException', type });
    });
  }
});
