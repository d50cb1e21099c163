import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpAnswer } from './provider.ts';

/** The whole body; `too large` as soon as it is more than that, and the rest goes unread. */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | 'too large'> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('error', reject);
    request.on('close', () => reject(new Error('the client left before its request was whole')));
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else resolve('too large');
    });
    request.on('end', () =>
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
    );
  });
}

/** Writes an answer, or does to the connection what the answer wants instead. */
export async function writeAnswer(response: ServerResponse, answer: HttpAnswer): Promise<void> {
  const { status, headers = {}, body = '', slowBytesMs, connection } = answer;
  if (connection === 'silence') return;
  if (connection === 'cut') response.socket?.resetAndDestroy();
  else if (slowBytesMs !== undefined) await dribble(response, answer, slowBytesMs);
  else {
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
    response.end(body);
  }
}

/** One byte at a time, from the status line on, on a connection that is used for nothing else. */
async function dribble(
  { socket }: ServerResponse,
  { status, headers = {}, body = '' }: HttpAnswer,
  slowBytesMs: number,
): Promise<void> {
  const all = {
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n${lines.join('')}\r\n`;
  for (const byte of Buffer.from(head + body)) {
    if (socket === null || socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await sleep(slowBytesMs, undefined, { ref: false });
  }
  socket?.end();
}
