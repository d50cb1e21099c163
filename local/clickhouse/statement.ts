import { ClickhouseException } from './clickhouse-exception.ts';
import { sqlTokens, type SqlToken } from './sql-tokens.ts';

/** One statement, with what the front must know before the engine sees it. */
export type Statement = PlainStatement | InsertStatement;

interface PlainStatement {
  kind: 'plain';
  text: string;
  /** Changes nothing, so it may be cancelled when nobody waits for the answer. */
  isRead: boolean;
  /** Of its own FORMAT clause. */
  format: string | undefined;
}

/** An INSERT with rows behind it, cut where `FROM INFILE` belongs. */
export interface InsertStatement {
  kind: 'insert';
  target: string;
  settings: string;
  format: string;
  /** What came of them with the statement. */
  rows: Buffer;
}

const READS = new Set(['SELECT', 'WITH', 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS']);

/**
 * Takes a statement apart. Refuses what ClickHouse refuses over HTTP and the engine, a terminal program at heart,
 * would do: several statements at once, files by INFILE and OUTFILE, rows from the process's own stdin.
 */
export function readStatement(sql: Buffer): Statement {
  const insert = findInsertWithRows(sql);
  if (insert !== undefined) return insert;
  const bytes = sql.toString('latin1');
  const [first, ...tokens] = singleStatement(bytes);
  if (first === undefined) throw new ClickhouseException('SYNTAX_ERROR', 'Empty query.');
  if (first.text === 'INSERT' && !tokens.some(({ text }) => text === 'SELECT'))
    throw new ClickhouseException(
      'SYNTAX_ERROR',
      'Syntax error: INSERT needs VALUES, FORMAT or SELECT after the table.',
    );
  const format = first.text === 'INSERT' ? undefined : findOutputFormat(bytes, tokens);
  return { kind: 'plain', text: sql.toString(), isRead: READS.has(first.text), format };
}

/** The statement with the rows in a file instead of behind it. */
export function insertFromFile(insert: InsertStatement, path: string): string {
  const file = `'${path.replace(/[\\']/g, '\\$&')}'`;
  return `${insert.target} FROM INFILE ${file} COMPRESSION 'none' ${insert.settings} FORMAT ${insert.format}`;
}

function* singleStatement(bytes: string): Generator<SqlToken, void> {
  let ended = false;
  for (const token of sqlTokens(bytes)) {
    const isEnd = token.kind === 'symbol' && token.text === ';';
    if (ended && !isEnd)
      throw new ClickhouseException(
        'SYNTAX_ERROR',
        'Syntax error: Multi-statements are not allowed: send one statement per request.',
      );
    ended ||= isEnd;
    if (!isEnd) yield token;
  }
}

/** FORMAT is the last clause but for SETTINGS; anywhere else it is a name. */
function findOutputFormat(bytes: string, tokens: SqlToken[]): string | undefined {
  const clauses = tokens.filter(({ depth }) => depth === 0);
  const isAt = (index: number, text: string) => clauses[index]?.text === text;
  if (clauses.some(({ text }, index) => text === 'OUTFILE' && isAt(index - 1, 'INTO')))
    throw notSupported('INTO OUTFILE is for terminal clients: take the rows from the answer.');
  const format = clauses.find(
    ({ kind }, index) =>
      kind === 'word' &&
      isAt(index - 1, 'FORMAT') &&
      (index + 1 === clauses.length || isAt(index + 1, 'SETTINGS')),
  );
  return format && bytes.slice(format.start, format.end);
}

/** After these a name follows, which may read like a clause. */
const NAME_FOLLOWS = new Set(['INTO', 'TABLE', 'FUNCTION', '.']);
const TABLE_WORDS = /^(INTO (TABLE|FUNCTION)|TABLE FUNCTION)$/;

/** An INSERT that has come as far as its rows; undefined for everything else. */
export function findInsertWithRows(sql: Buffer): InsertStatement | undefined {
  // One character per byte: positions are byte positions, and data of a binary format stays whole.
  const bytes = sql.toString('latin1');
  const tokens = singleStatement(bytes);
  if (tokens.next().value?.text !== 'INSERT') return undefined;

  let settingsStart: number | undefined;
  const cut = (clauseStart: number, format: string, rowsStart: number): InsertStatement => ({
    kind: 'insert',
    target: sql.subarray(0, settingsStart ?? clauseStart).toString(),
    settings: sql.subarray(settingsStart ?? clauseStart, clauseStart).toString(),
    format,
    rows: sql.subarray(rowsStart),
  });

  let isSelect = false;
  let previous: SqlToken | undefined;
  for (const token of tokens) {
    const { text, depth } = token;
    if (text === '(' && previous?.text === 'INPUT')
      throw notSupported('INSERT … SELECT … FROM input() is not supported here: use FORMAT alone.');
    const pair = `${previous?.text ?? ''} ${text}`;
    const isName = NAME_FOLLOWS.has(previous?.text ?? '') && !TABLE_WORDS.test(pair);
    if (depth === 0 && !isName && !isSelect) {
      if (previous?.text === 'FORMAT' && token.kind === 'word')
        return cut(
          previous.start,
          bytes.slice(token.start, token.end),
          rowsStart(bytes, token.end),
        );
      if (text === 'VALUES') {
        // These rows are SQL: a second statement behind them would be passed over in silence.
        while (tokens.next().done !== true);
        return cut(token.start, 'Values', token.end);
      }
      if (text === 'INFILE')
        throw notSupported('FROM INFILE is for terminal clients: send the rows in the body.');
      if (text === 'SETTINGS') settingsStart = token.start;
      if (text === 'SELECT' || text === 'WITH') isSelect = true;
    }
    previous = isName ? undefined : token;
  }
  return undefined;
}

/** Rows begin behind one line end, or behind blanks where there is none. */
function rowsStart(bytes: string, formatEnd: number): number {
  const gap = /[ \t\f]*\r?\n?/y;
  gap.lastIndex = formatEnd;
  return formatEnd + (gap.exec(bytes)?.[0].length ?? 0);
}

function notSupported(message: string) {
  return new ClickhouseException('NOT_IMPLEMENTED', message);
}
