import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';
import { ClickhouseException } from './clickhouse-exception.ts';

/** A statement, also one with its rows behind it. */
const STATEMENT_MAX_BYTES = 16 * 1024 * 1024;
/** Rows of an insert whose statement is in the URL. */
const ROWS_MAX_BYTES = 64 * 1024 * 1024;

const DECOMPRESSORS: Record<string, (() => Transform) | undefined> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** The whole body, decompressed; QUERY_IS_TOO_LARGE above the limit. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of bodyChunks(request, STATEMENT_MAX_BYTES)) chunks.push(chunk);
  } catch (error) {
    throw bodyException(error);
  }
  return Buffer.concat(chunks);
}

/** Fields of a multipart form: `query` and `param_…` (use_multipart_params of @clickhouse/client). */
export async function readForm(request: IncomingMessage): Promise<Map<string, string> | undefined> {
  const contentType = request.headers['content-type'] ?? '';
  if (!contentType.startsWith('multipart/form-data')) return undefined;
  const body = new Response(await readBody(request), { headers: { 'Content-Type': contentType } });
  // Deprecated for servers because it has no limits; the body here is whole and within ours.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const form = await body.formData().catch((cause: unknown) => {
    throw new ClickhouseException('BAD_ARGUMENTS', `The form cannot be read: ${String(cause)}`);
  });
  const fields = new Map<string, string>();
  for (const [name, value] of form) {
    if (typeof value !== 'string')
      throw new ClickhouseException(
        'NOT_IMPLEMENTED',
        `External tables (${name}) are not supported.`,
      );
    fields.set(name, value);
  }
  return fields;
}

export interface SpooledRows {
  path: string;
  remove: () => Promise<void>;
}

/** Rows into a file of their own, where the engine reads them: what was sent with the statement, then the body. */
export async function spoolRows(
  dir: string,
  first: Buffer,
  request?: IncomingMessage,
): Promise<SpooledRows> {
  const path = join(dir, randomUUID());
  const remove = () => rm(path, { force: true });
  async function* rows() {
    yield first;
    if (request !== undefined) yield* bodyChunks(request, ROWS_MAX_BYTES);
  }
  try {
    await pipeline(rows, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    await remove();
    throw bodyException(error);
  }
  return { path, remove };
}

async function* bodyChunks(request: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of decompressed(request)) {
    total += chunk.length;
    if (total > maxBytes)
      throw new ClickhouseException(
        'QUERY_IS_TOO_LARGE',
        `The request body is larger than ${maxBytes} bytes: send it in parts.`,
      );
    yield chunk;
  }
}

function decompressed(request: IncomingMessage): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  // The request must outlive a refusal of its body: the answer takes the same socket.
  if (encoding === 'identity') return request.iterator({ destroyOnReturn: false });
  const decompressor = DECOMPRESSORS[encoding]?.();
  if (decompressor === undefined)
    throw new ClickhouseException(
      'NOT_IMPLEMENTED',
      `Content-Encoding ${encoding} is not supported: use one of ${Object.keys(DECOMPRESSORS).join(', ')}.`,
    );
  request.once('error', (error) => decompressor.destroy(error));
  return request.pipe(decompressor);
}

function bodyException(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOSPC')
    return new ClickhouseException('NOT_ENOUGH_SPACE', 'The disk of the ClickHouse front is full.');
  if (/^(Z_|ERR__ERROR|ZSTD_)/.test(code) && error instanceof Error)
    return new ClickhouseException(
      'CANNOT_DECOMPRESS',
      `Cannot decompress the body: ${error.message}.`,
    );
  return error;
}
