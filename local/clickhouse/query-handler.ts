import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../runtime/log.ts';
import { sendException, sendRows, type AnswerHead } from './answer.ts';
import { ClickhouseException } from './clickhouse-exception.ts';
import type { Engine, EngineResult } from './engine.ts';
import type { Gate } from './gate.ts';
import { readQueryRequest, refuseOtherSites, type QueryRequest } from './query-request.ts';
import { readBody, readForm, spoolRows, type SpooledRows } from './request-body.ts';
import { findInsertWithRows, insertFromFile, readStatement } from './statement.ts';

interface Parts {
  engine: Engine;
  gate: Gate;
  /** Rows of inserts wait here for the engine. */
  spoolDir: string;
  /** That the front listens on. */
  host: string;
  log: Log;
}

interface Task {
  statement: string;
  isRead: boolean;
  /** Of the answer; an insert has none. */
  format: string | undefined;
  rows: SpooledRows | undefined;
}

/** Whatever a query's own max_execution_time says, and for statements that do not look at it. */
const QUERY_MAX_MS = 600_000;

/** For the rest of a body that was refused. */
const DISCARD_MS = 5_000;

/** Answers requests: `/ping`, and queries at `/`. */
export class QueryHandler {
  readonly #parts: Parts;
  /** Ids by which the engine can cancel them. */
  readonly #running = new Set<string>();
  #requests = 0;
  #isClosing = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Never rejects: whatever happens becomes an answer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const head: AnswerHead = { queryId: randomUUID() };
    this.#requests += 1;
    try {
      refuseOtherSites(request, this.#parts.host);
      if (this.#isClosing) throw new ClickhouseException('ABORTED', 'The server is stopping.');
      if (isPing(request)) response.end('Ok.\n');
      else await this.#answer(request, response, head);
    } catch (error) {
      await discardBody(request, response);
      this.#refuse(response, error, head);
    } finally {
      this.#requests -= 1;
      if (this.#requests === 0) this.#onIdle?.();
    }
  }

  refuseNew(): void {
    this.#isClosing = true;
  }

  /** Resolves when no request is being worked on. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#requests === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  async cancelAll(): Promise<void> {
    await Promise.allSettled([...this.#running].map((id) => this.#parts.engine.cancel(id)));
  }

  async #answer(request: IncomingMessage, response: ServerResponse, head: AnswerHead) {
    const form = await readForm(request);
    const query = readQueryRequest(request, form);
    head.queryId = query.id;
    const task = await this.#readTask(request, query, form !== undefined);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let result: EngineResult;
    try {
      result = await this.#parts.gate.run(() => this.#run(query, task, gone.signal), gone.signal);
    } catch (error) {
      throw task.rows === undefined ? error : withoutPath(error, task.rows.path);
    } finally {
      await task.rows?.remove();
    }
    head.format = task.format;
    head.summary = summary(task, result);
    const mayCompress = query.settings.get('enable_http_compression') === '1';
    await sendRows(request, response, result.bytes, head, mayCompress);
  }

  async #readTask(request: IncomingMessage, query: QueryRequest, hasForm: boolean): Promise<Task> {
    const { spoolDir } = this.#parts;
    const start = Buffer.from(query.query);
    const hasBody = request.method !== 'GET' && !hasForm;
    const insert = findInsertWithRows(start);
    if (insert !== undefined) {
      const rows = await spoolRows(spoolDir, insert.rows, hasBody ? request : undefined);
      return insertTask(insertFromFile(insert, rows.path), rows);
    }
    const body = hasBody ? await readBody(request) : Buffer.alloc(0);
    const between = start.length > 0 && body.length > 0 ? '\n' : '';
    const statement = readStatement(Buffer.concat([start, Buffer.from(between), body]));
    if (statement.kind === 'insert') {
      const rows = await spoolRows(spoolDir, statement.rows);
      return insertTask(insertFromFile(statement, rows.path), rows);
    }
    const { text, isRead, format = query.defaultFormat } = statement;
    return { statement: text, isRead, format, rows: undefined };
  }

  async #run(query: QueryRequest, task: Task, gone: AbortSignal): Promise<EngineResult> {
    const { engine, log } = this.#parts;
    const id = `front:${randomUUID()}`;
    const cancel = () =>
      void engine.cancel(id).catch((err: unknown) => log.warn({ err }, 'could not cancel a query'));
    const timer = setTimeout(cancel, QUERY_MAX_MS);
    if (task.isRead) gone.addEventListener('abort', cancel, { once: true });
    this.#running.add(id);
    try {
      const { database, settings, parameters, defaultFormat: format } = query;
      return await engine.run({
        id,
        statement: task.statement,
        format,
        database,
        settings,
        parameters,
      });
    } finally {
      this.#running.delete(id);
      clearTimeout(timer);
      gone.removeEventListener('abort', cancel);
    }
  }

  #refuse(response: ServerResponse, error: unknown, head: AnswerHead): void {
    if (response.destroyed) return; // nobody is there to read it
    const { engine, log } = this.#parts;
    if (!(error instanceof ClickhouseException))
      log.error({ err: error, queryId: head.queryId }, 'a query failed in the front itself');
    const exception =
      error instanceof ClickhouseException
        ? error
        : new ClickhouseException('UNKNOWN_EXCEPTION', 'The front failed; its log says why.');
    log.debug({ queryId: head.queryId, code: exception.code, type: exception.type }, 'refused');
    sendException(response, exception, engine.version, head);
  }
}

/** The client hears an answer only when it has sent everything, so the rest of the body is read and forgotten. */
async function discardBody(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.complete || request.destroyed) return;
  request.resume();
  const end = finished(request).catch(() => undefined);
  await Promise.race([end, sleep(DISCARD_MS, undefined, { ref: false })]);
  if (!request.readableEnded && !response.headersSent) response.setHeader('Connection', 'close');
}

function isPing(request: IncomingMessage): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'POST')
    throw new ClickhouseException('NOT_IMPLEMENTED', 'Use GET or POST.');
  const [path = '', query = ''] = (request.url ?? '/').split('?');
  if (path === '/ping') return true;
  if (path !== '/')
    throw new ClickhouseException('BAD_ARGUMENTS', `There is no ${path} here: use / or /ping.`);
  return request.method !== 'POST' && query === '';
}

function insertTask(statement: string, rows: SpooledRows): Task {
  return { statement, isRead: false, format: undefined, rows };
}

/** The engine names the file that it read the rows from. */
function withoutPath(error: unknown, path: string): unknown {
  if (!(error instanceof ClickhouseException)) return error;
  const message = error.message.replaceAll(path, 'the request body');
  return new ClickhouseException(error.type, message, error.code);
}

function summary({ rows, isRead }: Task, result: EngineResult): Record<string, string> {
  const elapsed = { elapsed_ns: String(Math.round(result.elapsedSeconds * 1e9)) };
  const [count, bytes] = [String(result.rows), String(result.rowBytes)];
  if (rows !== undefined)
    return {
      read_rows: count,
      read_bytes: bytes,
      written_rows: count,
      written_bytes: bytes,
      ...elapsed,
    };
  return isRead ? { result_rows: count, result_bytes: bytes, ...elapsed } : elapsed;
}
