import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../domain/platform-error.ts';

/** Bodies that one process holds at once; above it, callers are asked to come back. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;
/** So much of a refused body is read and thrown away, so that the client gets to see the answer. */
const MAX_DRAINED_BYTES = 8 * 1024 * 1024;
const DRAIN_WITHIN_MS = 5_000;

let heldBytes = 0;

/**
 * The body's bytes, at most `limitBytes`; they count as held until `release`.
 * @throws too_large before more than the limit was kept, unsupported_media_type for a compressed body
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<{ bytes: Buffer; release: () => void }> {
  const { 'content-encoding': encoding = 'identity', 'content-length': length } = request.headers;
  if (encoding !== 'identity')
    throw new PlatformError('unsupported_media_type', 'Send the body without Content-Encoding.');
  if (Number(length ?? 0) > limitBytes) throw tooLarge(limitBytes);

  const chunks: Buffer[] = [];
  let bytes = 0;
  const release = () => {
    heldBytes -= bytes;
    bytes = 0;
  };
  const keep = (chunk: Buffer) => {
    bytes += chunk.length;
    heldBytes += chunk.length;
    if (bytes > limitBytes) throw tooLarge(limitBytes);
    if (heldBytes > MAX_HELD_BYTES)
      throw new PlatformError('unavailable', 'Too many large requests at once.', {
        retryAfterSeconds: 1,
      });
    chunks.push(chunk);
  };
  try {
    await eachChunk(request, keep);
    return { bytes: Buffer.concat(chunks, bytes), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Until the end, or until `take` throws; the request can be read on after that, which its iterator does not allow. */
function eachChunk(request: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      request.off('data', onData).off('end', settle).off('error', settle).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error); // whatever `take` throws is one
    };
    const onData = (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        settle(error as Error);
      }
    };
    const onClose = () => settle(new Error('the client hung up'));
    request.on('data', onData).once('end', settle).once('error', settle).once('close', onClose);
  });
}

/** Reads on for a while and throws away what comes, then calls back; or cuts the connection of one who does not stop. */
export function drainBody(request: IncomingMessage, onDrained: () => void): void {
  if (request.complete || request.destroyed) {
    onDrained();
    return;
  }
  let drained = 0;
  const impatience = setTimeout(() => request.destroy(), DRAIN_WITHIN_MS).unref();
  request
    .on('data', (chunk: Buffer) => {
      drained += chunk.length;
      if (drained > MAX_DRAINED_BYTES) request.destroy();
    })
    .on('error', () => undefined) // of the cut
    .once('end', onDrained)
    .once('close', () => clearTimeout(impatience))
    .resume();
}

function tooLarge(limitBytes: number): PlatformError {
  const limit =
    limitBytes >= 1_048_576 ? `${limitBytes / 1_048_576} MB` : `${limitBytes / 1024} kB`;
  return new PlatformError('too_large', `The body is larger than ${limit}.`);
}
