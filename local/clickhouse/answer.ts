import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants, deflate, gzip, zstdCompress } from 'node:zlib';
import { type ClickhouseException, exceptionText, httpStatusOf } from './clickhouse-exception.ts';

/** What every answer says about its query. */
export interface AnswerHead {
  queryId: string;
  format?: string;
  /** Counts as ClickHouse names them; what the engine does not tell is left out. */
  summary?: Record<string, string>;
}

type Compress = (bytes: Uint8Array) => Promise<Uint8Array>;

const COMPRESSORS: Record<string, Compress | undefined> = {
  gzip: promisify(gzip),
  deflate: promisify(deflate),
  br: (bytes) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: promisify(zstdCompress),
};

const CONTENT_TYPES: [RegExp, string][] = [
  [/^JSON/i, 'application/json; charset=UTF-8'],
  [/^CSV/i, 'text/csv; charset=UTF-8'],
  [/^(TSV|TabSeparated)/i, 'text/tab-separated-values; charset=UTF-8'],
  [/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|Npy)/i, 'application/octet-stream'],
];

/** Compressed where the request asked for it (`enable_http_compression=1` and Accept-Encoding). */
export async function sendRows(
  request: IncomingMessage,
  response: ServerResponse,
  rows: Uint8Array,
  head: AnswerHead,
  mayCompress: boolean,
): Promise<void> {
  const encoding = mayCompress ? acceptedEncoding(request) : undefined;
  const compress = encoding === undefined ? undefined : COMPRESSORS[encoding];
  const body = compress === undefined ? rows : await compress(rows);
  if (encoding !== undefined) response.setHeader('Content-Encoding', encoding);
  response.setHeader('Content-Type', contentType(head.format ?? ''));
  send(response, 200, body, head);
}

export function sendException(
  response: ServerResponse,
  exception: ClickhouseException,
  version: string,
  head: AnswerHead,
): void {
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Exception-Code', exception.code);
  send(response, httpStatusOf(exception), exceptionText(exception, version), head);
}

function send(
  response: ServerResponse,
  status: number,
  body: Uint8Array | string,
  head: AnswerHead,
) {
  response.statusCode = status;
  // A query id is the client's text: only what a header can carry.
  response.setHeader('X-ClickHouse-Query-Id', head.queryId.replace(/[^\x20-\x7e]/g, '?'));
  response.setHeader('X-ClickHouse-Server-Display-Name', 'chdb');
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
  if (head.format !== undefined) response.setHeader('X-ClickHouse-Format', head.format);
  if (head.summary !== undefined)
    response.setHeader('X-ClickHouse-Summary', JSON.stringify(head.summary));
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

function contentType(format: string): string {
  const row = CONTENT_TYPES.find(([pattern]) => pattern.test(format));
  return row?.[1] ?? 'text/plain; charset=UTF-8';
}

function acceptedEncoding(request: IncomingMessage): string | undefined {
  const accepted = (request.headers['accept-encoding'] ?? '').split(',');
  return accepted
    .map((entry) => entry.split(';')[0]?.trim() ?? '')
    .find((name) => Object.hasOwn(COMPRESSORS, name));
}
