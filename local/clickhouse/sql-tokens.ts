export interface SqlToken {
  kind: 'word' | 'quoted' | 'symbol';
  /** A word in upper case, one character of a symbol, nothing of a quoted thing. */
  text: string;
  start: number;
  end: number;
  /** Brackets around it. */
  depth: number;
}

/**
 * Words, quoted things and symbols of a ClickHouse statement, as far as it takes to find its clauses and its end;
 * comments and blanks are left out. Read lazily: what follows an INSERT's FORMAT is data and no SQL.
 */
export function* sqlTokens(sql: string): Generator<SqlToken, void> {
  let depth = 0;
  for (let start = skipBlanks(sql, 0); start < sql.length;) {
    const token = tokenAt(sql, start);
    if (token.kind === 'symbol' && ')]}'.includes(token.text)) depth -= 1;
    yield { ...token, depth };
    if (token.kind === 'symbol' && '([{'.includes(token.text)) depth += 1;
    start = skipBlanks(sql, token.end);
  }
}

const WORD = /[A-Za-z0-9_][A-Za-z0-9_$]*/y;
const BLANK = /[\s\0]+|--[^\n]*|#[ !][^\n]*/y;
const HEREDOC = /\$[A-Za-z0-9_]*\$/y;

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function tokenAt(sql: string, start: number): Omit<SqlToken, 'depth'> {
  const word = matchAt(WORD, sql, start);
  if (word !== undefined)
    return { kind: 'word', text: word.toUpperCase(), start, end: start + word.length };
  const end = endOfQuoted(sql, start);
  if (end !== undefined) return { kind: 'quoted', text: '', start, end };
  return { kind: 'symbol', text: sql.charAt(start), start, end: start + 1 };
}

function skipBlanks(sql: string, from: number): number {
  for (let at = from; ;) {
    const next = sql.startsWith('/*', at)
      ? endOfComment(sql, at)
      : at + (matchAt(BLANK, sql, at)?.length ?? 0);
    if (next === at) return at;
    at = next;
  }
}

/** Comments nest. */
function endOfComment(sql: string, from: number): number {
  let depth = 0;
  for (let at = from; at < sql.length;) {
    const pair = sql.slice(at, at + 2);
    depth += pair === '/*' ? 1 : pair === '*/' ? -1 : 0;
    at += pair === '/*' || pair === '*/' ? 2 : 1;
    if (depth === 0) return at;
  }
  return sql.length;
}

/** Where the string, quoted name or heredoc ends that begins here; none begins here: undefined. */
function endOfQuoted(sql: string, from: number): number | undefined {
  const tag = matchAt(HEREDOC, sql, from);
  if (tag !== undefined) {
    const close = sql.indexOf(tag, from + tag.length);
    return close === -1 ? undefined : close + tag.length;
  }
  const quote = sql.charAt(from);
  if (quote !== "'" && quote !== '"' && quote !== '`') return undefined;
  for (let at = from + 1; at < sql.length; at += 1) {
    if (sql[at] === '\\') at += 1;
    else if (sql[at] === quote && sql[at + 1] === quote) at += 1;
    else if (sql[at] === quote) return at + 1;
  }
  return sql.length;
}
