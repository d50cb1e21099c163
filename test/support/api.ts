import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../api/app.ts';
import { listen } from '../../api/server.ts';
import { openSpool, type Spool } from '../../services/events/spool.ts';
import type { Mode, ServiceContext } from '../../services/context.ts';
import type { Platform } from '../../services/platform.ts';
import { createApiKey } from '../../services/tenants/api-keys.ts';
import { scopes, type Scope } from '../../services/tenants/new-key.ts';

export interface ApiCall {
  key?: string | undefined;
  /** JSON, or text as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The text as JSON; what it holds is up to the test. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  json: any;
}

export interface TestApi {
  url: string;
  spool: Spool;
  call: (method: string, path: string, call?: ApiCall) => Promise<ApiAnswer>;
  close: () => Promise<void>;
}

/** The API over HTTP on a free port; an answer that its schema does not describe is a 500. */
export async function anApi(platform: Platform, spoolMaxBytes = 1_000_000): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'email-platform-spool-'));
  const spool = await openSpool(platform, folder, spoolMaxBytes);
  const app = createApp(platform, { spool, checkAnswers: true });
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  return {
    url: server.url,
    spool,
    call: (method, path, call) => callApi(server.url, method, path, call),
    close: async () => {
      await server.close(1_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function callApi(
  url: string,
  method: string,
  path: string,
  { key, body, headers = {} }: ApiCall = {},
): Promise<ApiAnswer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json;/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

/** The secret of a new key. */
export async function aKey(
  ctx: ServiceContext,
  granted: readonly Scope[] = scopes,
  mode: Mode = ctx.mode,
): Promise<string> {
  const { secret } = await createApiKey(ctx, { name: 'test', mode, scopes: [...granted] });
  return secret;
}
