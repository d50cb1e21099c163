import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCodes } from '../domain/platform-error.ts';
import { toPublicId } from '../domain/ids.ts';
import { newUuid } from '../runtime/new-uuid.ts';

export interface RunningServer {
  /** http://host:port */
  url: string;
  /** Takes no new connections, lets requests end for so long, then cuts the rest. */
  close: (graceMs: number) => Promise<void>;
}

/** Listens on host and port (0: any free one). A client that is slow on purpose is let go. */
export async function listen(
  handler: RequestListener,
  { host, port }: { host: string; port: number },
): Promise<RunningServer> {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 120_000, // 40 MB over a slow line
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000, // longer than load balancers keep theirs, so that they close first
      maxHeaderSize: 16 * 1024,
    },
    handler,
  );
  server.timeout = 120_000; // also for one that does not read its answer
  server.maxRequestsPerSocket = 0;
  server.on('clientError', refuseUnreadable);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (graceMs) => closeServer(server, graceMs),
  };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that becomes idle only now is not closed by itself.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const impatience = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(impatience);
}

const UNREADABLE: Record<string, { status: number; title: string; code: string }> = {
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', ...errorCodes.headers_too_large },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, title: 'Request Timeout', code: 'request_timeout' },
};
const BAD_REQUEST = { status: 400, title: 'Bad Request', code: 'malformed_request' };

/** What is not HTTP, too long or too slow never reaches the application. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const { status, title, code } = UNREADABLE[error.code ?? ''] ?? BAD_REQUEST;
  const requestId = toPublicId('request', newUuid());
  const problem = {
    type: `/docs#${code}`,
    title,
    status,
    detail: `${title}.`,
    code,
    requestId,
    errors: [],
  };
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${status} ${title}`,
      'Content-Type: application/problem+json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${requestId}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
