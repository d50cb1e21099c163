import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../runtime/log.ts';
import { openEngine, type Engine } from './engine.ts';
import { lockFolder } from './folder-lock.ts';
import { Gate } from './gate.ts';
import { QueryHandler } from './query-handler.ts';

export interface ClickhouseFrontOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Belongs to one process at a time; made when missing. */
  dir: string;
  log: Log;
  /** Called when the engine has broken down and only a new process helps. */
  onFatal?: (error: Error) => void;
}

export interface ClickhouseFront {
  url: string;
  port: number;
  /**
   * Refuses new queries, waits for the running ones (10 s, then they are cancelled) and closes the engine. Throws when
   * the engine does not come to rest.
   */
  close: () => Promise<void>;
}

// Node runs the engine's calls on four threads; one stays free for files and compression.
const LIMITS = { running: 3, waiting: 64, waitMs: 10_000 };
const CONNECTIONS_MAX = 256;
const CLOSE_GRACE_MS = 10_000;
const CANCEL_GRACE_MS = 3_000;

/** ClickHouse's HTTP interface over chDB on a folder. Throws when the folder is in use or the port is taken. */
export async function startClickhouseFront(
  options: ClickhouseFrontOptions,
): Promise<ClickhouseFront> {
  const dir = resolve(options.dir);
  const lock = lockFolder(dir);
  try {
    const spoolDir = join(dir, 'spool');
    rmSync(spoolDir, { recursive: true, force: true }); // rows of a killed process: never acknowledged
    mkdirSync(spoolDir);
    const onFatal = (error: Error) => {
      options.log.error({ err: error }, 'the ClickHouse engine broke down');
      options.onFatal?.(error);
    };
    const engine = await openEngine(join(dir, 'engine'), onFatal);
    try {
      return await listen(options, engine, spoolDir, lock.release);
    } catch (error) {
      await engine.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function listen(
  { host, port, log }: ClickhouseFrontOptions,
  engine: Engine,
  spoolDir: string,
  unlock: () => void,
): Promise<ClickhouseFront> {
  const handler = new QueryHandler({ engine, gate: new Gate(LIMITS), spoolDir, host, log });
  const server = createServer(
    // Long enough for queries in the URL, as ClickHouse's http_max_uri_size.
    { maxHeaderSize: 1024 * 1024, headersTimeout: 10_000, requestTimeout: 120_000 },
    (request: IncomingMessage, response: ServerResponse) => void handler.handle(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.keepAliveTimeout = 10_000; // clients drop idle sockets earlier: 2.5 s in @clickhouse/client
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const actualPort = (server.address() as AddressInfo).port;
  let closed: Promise<void> | undefined;
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${actualPort}`,
    port: actualPort,
    close: () => (closed ??= closeAll(server, handler, engine, unlock)),
  };
}

async function closeAll(server: Server, handler: QueryHandler, engine: Engine, unlock: () => void) {
  const serverClosed = new Promise<void>((resolve) => server.close(() => resolve()));
  handler.refuseNew();
  if (!(await within(CLOSE_GRACE_MS, handler.idle()))) {
    await within(CANCEL_GRACE_MS, handler.cancelAll());
    if (!(await within(CANCEL_GRACE_MS, handler.idle())))
      throw new Error('Queries still run although they were cancelled: the engine stays open.');
  }
  server.closeIdleConnections();
  await within(1_000, serverClosed); // answers on their way to slow readers
  server.closeAllConnections();
  await serverClosed;
  await engine.close();
  unlock();
}

/** Whether it came to an end in that time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const timeUp = new AbortController();
  const late = sleep(ms, false, { signal: timeUp.signal }).catch(() => false);
  const inTime = await Promise.race([work.then(() => true), late]);
  timeUp.abort();
  return inTime;
}
