import type { Request, RequestHandler, Response } from 'express';
import { PlatformError } from '../domain/platform-error.ts';
import { toPublicId } from '../domain/ids.ts';
import { authenticate, type TenantKey } from '../services/authenticate.ts';
import { createContext, type ServiceContext } from '../services/context.ts';
import { findReplay, type IdempotentCall } from '../services/idempotency.ts';
import type { Platform } from '../services/platform.ts';
import { sendProblem } from './error-response.ts';
import { exportList, exportTypeOf } from './export-list.ts';
import { parseJson } from './parse-json.ts';
import { parseQuery } from './parse-query.ts';
import { readBody } from './read-body.ts';
import { bearerTokenOf, idempotencyKeyOf, ifMatchOf } from './request-headers.ts';
import { Content, type RawCall, type Route, type RouteResult } from './route.ts';
import { validate } from './validate.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;

export interface ServeOptions {
  /** For tests: an answer that its schema does not describe is an error. */
  checkAnswers?: boolean;
}

/** Express handler of one route: who, what, replay or work, answer. */
export function serveRoute(
  platform: Platform,
  route: Route,
  options: ServeOptions,
): RequestHandler {
  return async (request, response) => {
    let release: () => void = () => undefined;
    try {
      const key = await authenticateTenant(platform, request, route);
      const idempotencyKey =
        route.method === 'post' ? idempotencyKeyOf(request.headers) : undefined;
      const received = await receiveBody(request, route);
      release = received.release;
      const idempotency =
        idempotencyKey === undefined
          ? undefined
          : { operation: operationOf(route, request), key: idempotencyKey, body: received.json };
      const ctx = await createContext(platform, {
        tenantId: key.tenantId,
        mode: key.mode,
        actor: toPublicId('apiKey', key.keyId),
        requestId: response.getHeader('X-Request-Id') as string, // set for every request
        traceparent: response.getHeader('traceparent') as string | undefined,
        idempotency,
      });
      const call: RawCall = {
        ctx,
        key,
        params: request.params as Record<string, string>,
        query: parseQuery(request.url),
        body: received.json,
        ifMatch: ifMatchOf(request.headers),
        findReplay: () => findStored(ctx, idempotency),
      };
      const exportType = route.csv && exportTypeOf(request);
      if (exportType) await exportList(response, route, call, exportType);
      else send(response, route, await route.run(call), options);
    } catch (error) {
      if (request.destroyed && !request.complete) return; // whoever asked has hung up
      sendProblem(request, response, error, {
        log: platform.log,
        requestId: response.getHeader('X-Request-Id') as string,
        route: `${request.method} ${route.path}`,
      });
    } finally {
      release();
    }
  };
}

async function authenticateTenant(
  platform: Platform,
  request: Request,
  route: Route,
): Promise<TenantKey> {
  const key = await authenticate(platform, bearerTokenOf(request.headers));
  if (key.kind === 'operator')
    throw new PlatformError(
      'scope_missing',
      'An operator’s key belongs to no tenant; use a key of a tenant here.',
    );
  if (route.scope !== null && !key.scopes.includes(route.scope))
    throw new PlatformError(
      'scope_missing',
      `This call needs a key with the scope "${route.scope}".`,
    );
  return key;
}

async function receiveBody(
  request: Request,
  route: Route,
): Promise<{ json: unknown; release: () => void }> {
  if (route.method === 'get') return { json: undefined, release: () => undefined };
  const { bytes, release } = await readBody(request, route.bodyLimitBytes ?? BODY_LIMIT_BYTES);
  if (bytes.length === 0) return { json: undefined, release };
  try {
    requireJson(request.headers['content-type']);
    return { json: parseJson(bytes), release };
  } catch (error) {
    release();
    throw error;
  }
}

function requireJson(contentType: string | undefined): void {
  if (/^application\/(?:[\w.-]+\+)?json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? ''))
    return;
  throw new PlatformError('unsupported_media_type', 'Send "Content-Type: application/json".');
}

/** The operation with its path as it is here, so that a key for one thing does not answer for another. */
function operationOf(route: Route, request: Request): string {
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(request.params[name])),
  );
  return `${route.method.toUpperCase()} ${path}`;
}

async function findStored(ctx: ServiceContext, call: IdempotentCall | undefined) {
  return call && ctx.read((em) => findReplay(em, ctx, call));
}

function send(
  response: Response,
  route: Route,
  { body, isReplayed }: RouteResult,
  { checkAnswers = false }: ServeOptions,
): void {
  if (isReplayed) response.setHeader('Idempotency-Replayed', 'true');
  response.statusCode = route.status;
  if (body instanceof Content) {
    for (const [name, value] of Object.entries(body.headers)) response.setHeader(name, value);
    response.setHeader('Content-Type', body.type);
    response.end(body.body);
    return;
  }
  if (checkAnswers) checkAnswer(route, body);
  if (route.hasEtag) response.setHeader('ETag', `"${(body as { etag: string }).etag}"`);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(body));
}

function checkAnswer(route: Route, body: unknown): void {
  try {
    validate(route.response, JSON.parse(JSON.stringify(body)));
  } catch (error) {
    const { errors } = error as PlatformError;
    throw new Error(
      `${route.operationId} answers what it does not declare: ${JSON.stringify(errors)}`,
    );
  }
}
