import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ClickhouseException } from './clickhouse-exception.ts';

/** What a request says about its query apart from the body. */
export interface QueryRequest {
  id: string;
  /** The `query` parameter; the body goes on where it ends. */
  query: string;
  database: string | undefined;
  /** For statements without FORMAT. */
  defaultFormat: string;
  settings: Map<string, string>;
  parameters: Map<string, string>;
}

/** Parameters of the HTTP interface that are no settings. `undefined`: nothing to do here. */
const INTERFACE_PARAMETERS: Record<string, undefined | { refusal: string }> = {
  query: undefined,
  query_id: undefined,
  database: undefined,
  default_format: undefined,
  user: undefined, // chDB has no users
  password: undefined,
  quota_key: undefined,
  client_protocol_version: undefined,
  stacktrace: undefined,
  wait_end_of_query: undefined, // always: answers are complete before they are sent
  buffer_size: undefined,
  session_timeout: undefined,
  session_check: undefined,
  close_session: undefined,
  session_id: { refusal: 'each request is a session of its own: send settings with the request' },
  role: { refusal: 'there are no users and roles' },
  compress: { refusal: 'use enable_http_compression=1 with Accept-Encoding' },
  decompress: { refusal: 'use Content-Encoding' },
};

/** Reads URL and headers. `extra` are further parameters, from a form. */
export function readQueryRequest(
  request: IncomingMessage,
  extra: Iterable<[string, string]> = [],
): QueryRequest {
  const url = new URL(request.url ?? '/', 'http://front');
  const given = new Map([...url.searchParams, ...extra]);
  const settings = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const [name, value] of given) {
    if (name.startsWith('param_')) parameters.set(name.slice('param_'.length), value);
    else if (!Object.hasOwn(INTERFACE_PARAMETERS, name)) settings.set(name, value);
    else refuseParameter(name, value);
  }
  // As in ClickHouse: what a link can do must not change anything.
  if (request.method === 'GET' && (settings.get('readonly') ?? '0') === '0')
    settings.set('readonly', '2');
  return {
    id: given.get('query_id') ?? randomUUID(),
    query: given.get('query') ?? '',
    database: given.get('database') ?? header(request, 'x-clickhouse-database'),
    defaultFormat:
      given.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated',
    settings,
    parameters,
  };
}

function refuseParameter(name: string, value: string): void {
  const rule = INTERFACE_PARAMETERS[name];
  if (rule === undefined || value === '' || value === '0') return;
  throw new ClickhouseException(
    'NOT_IMPLEMENTED',
    `${name} is not supported here: ${rule.refusal}.`,
  );
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * A page in the user's browser can reach loopback addresses too: what a browser sends for another site is refused,
 * and so is a name that is not ours (DNS rebinding).
 */
export function refuseOtherSites(request: IncomingMessage, listeningHost: string): void {
  const site = request.headers['sec-fetch-site'];
  const host = request.headers.host?.replace(/:\d*$/, '') ?? '';
  const isOurName = !isLoopback(listeningHost) || isLoopback(host) || host === listeningHost;
  if (isOurName && (site === undefined || site === 'none' || site === 'same-origin')) return;
  throw new ClickhouseException('ACCESS_DENIED', 'Requests from other web sites are refused.');
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
