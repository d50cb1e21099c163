import { z } from 'zod';
import { PlatformError, errorCodes } from '../domain/platform-error.ts';
import { accountOfKey } from './account.ts';
import { faultSchema } from './faults.ts';
import type { HttpAnswer, HttpRequest, WebhookStyle } from './provider.ts';
import type { Desk } from './receive-call.ts';
import { changeSchema } from './switches.ts';
import type { WebhookRegistry } from './webhook-registry.ts';

/** What the routes work on. */
export interface ControlledSandbox {
  desk: Desk;
  registry: WebhookRegistry;
  /** Kinds of all providers, and how those with events post them. */
  kinds: readonly string[];
  styles: ReadonlyMap<string, WebhookStyle>;
}

type Handler = (
  sandbox: ControlledSandbox,
  request: { query: Record<string, string>; body: unknown; id: string },
) => unknown;

// `:id` is the rest of the path.
const routes: Record<string, Handler | undefined> = {
  'GET /sandbox/healthz': ({ desk }) => ({
    status: 'ok',
    acceptedRecipients: desk.accepted.acceptedRecipients,
    ...desk.counters,
    events: desk.reporter.counters,
  }),
  'GET /sandbox/settings': showSettings,
  'PUT /sandbox/settings': changeSettings,
  'GET /sandbox/faults': ({ desk }) => ({ data: desk.faults.list() }),
  'POST /sandbox/faults': ({ desk }, { body }) => ({
    id: desk.faults.add(parse(faultSchema, body)),
  }),
  'DELETE /sandbox/faults': ({ desk }) => desk.faults.clear(),
  'DELETE /sandbox/faults/:id': ({ desk }, { id }) => desk.faults.clear(id),
  'GET /sandbox/webhooks': ({ registry }) => ({ data: registry.list() }),
  'PUT /sandbox/webhooks': registerWebhook,
  'DELETE /sandbox/webhooks': removeWebhook,
  'GET /sandbox/messages': ({ desk }, { query }) => ({
    data: desk.inbox.list(parse(filterSchema, query)),
  }),
  'GET /sandbox/messages/:id': async ({ desk }, { id }) => {
    const mail = await desk.inbox.find(id);
    if (mail === undefined)
      throw new PlatformError('not_found', 'There is no such mail (any more).');
    return mail;
  },
  'DELETE /sandbox/messages': ({ desk }) => desk.inbox.clear(),
};

/** Answers `/sandbox/…`; undefined when there is no such route. */
export async function answerControl(
  sandbox: ControlledSandbox,
  { method, path, headers, body }: HttpRequest,
): Promise<HttpAnswer | undefined> {
  const url = new URL(path, 'http://sandbox');
  const exact = `${method} ${url.pathname}`;
  const [, folder = '', id = ''] = /^(.*)\/([^/]+)$/.exec(exact) ?? [];
  const pattern = Object.hasOwn(routes, exact) ? exact : `${folder}/:id`;
  const handle = Object.hasOwn(routes, pattern) ? routes[pattern] : undefined;
  if (handle === undefined) return undefined;
  try {
    const query = Object.fromEntries(url.searchParams);
    const given = readJson(body, headers['content-type']);
    const result = await handle(sandbox, { query, body: given, id: decodeURIComponent(id) });
    return result === undefined ? { status: 204 } : json(200, result);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return json(errorCodes[error.code].status, { code: error.code, detail: error.message });
  }
}

const filterSchema = z.strictObject({
  to: z.string().optional(),
  messageId: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(2_000).default(50),
});

const targetSchema = z.strictObject({
  provider: z.string(),
  /** The API key. */
  account: z.string().min(1),
});

function showSettings({ desk, kinds }: ControlledSandbox) {
  return desk.switches.show(kinds);
}

async function changeSettings(sandbox: ControlledSandbox, { body }: { body: unknown }) {
  const { desk, kinds } = sandbox;
  const change = parse(changeSchema, body);
  if (change.provider !== undefined) assertKind(change.provider, kinds);
  if (change.honoursCallId === true) await desk.accepted.rememberCalls();
  await desk.switches.change(change, kinds);
  desk.reporter.wake();
  return showSettings(sandbox);
}

/** Answers what the receiver needs to verify the posts. */
async function registerWebhook(
  { registry, styles }: ControlledSandbox,
  { body }: { body: unknown },
) {
  const target = parse(targetSchema.extend({ url: z.url() }), body);
  const { provider, account, url } = target;
  const style = styles.get(provider);
  assertKind(provider, [...styles.keys()]);
  await registry.set(provider, accountOfKey(account), url);
  return { account: accountOfKey(account), ...style?.publishedKeys(registry.keysOf(provider)) };
}

async function removeWebhook({ registry }: ControlledSandbox, { body }: { body: unknown }) {
  const { provider, account } = parse(targetSchema, body);
  await registry.remove(provider, accountOfKey(account));
}

function assertKind(provider: string, kinds: readonly string[]): void {
  if (kinds.includes(provider)) return;
  throw new PlatformError('invalid', `provider: ${provider} is not one of ${kinds.join(', ')}.`);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'body'}: ${message}`,
  );
  throw new PlatformError('invalid', problems.join('; '));
}

/** Only as application/json: what a foreign web page can send without asking first is refused. */
function readJson(body: Buffer, contentType = ''): unknown {
  if (body.length === 0) return undefined;
  if (!/^application\/json\b/i.test(contentType))
    throw new PlatformError('unsupported_media_type', 'Send the body as application/json.');
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new PlatformError('malformed_json', 'The body is not valid JSON.', { cause });
  }
}

function json(status: number, value: unknown): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: JSON.stringify(value),
  };
}
