import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi';
import { errorCodes } from '../domain/platform-error.ts';
import type { Route } from './route.ts';

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(errorCodes) as [string, ...string[]]),
    requestId: z.string(),
    errors: z.array(
      z.looseObject({
        pointer: z.string().meta({ description: 'JSON pointer to the field.' }),
        code: z.string(),
        detail: z.string(),
      }),
    ),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' });

const headers = z.object({
  'X-Request-Id': z
    .string()
    .optional()
    .meta({ description: 'Up to 64 of A-Z, a-z, 0-9, - and _; returned.' }),
  traceparent: z.string().optional().meta({ description: 'W3C Trace Context; returned.' }),
});
const idempotencyKey = z.string().min(1).max(256).optional().meta({
  description: 'The same key and body get the same answer, with `Idempotency-Replayed: true`.',
});
const ifMatch = z.string().meta({ description: 'The ETag of your last GET.' });

/** The OpenAPI 3.1 document of the routes, made from the schemas that validate. */
export function createOpenApi(routes: Route[], publicUrl: string | undefined) {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Email Platform',
        version: '1',
        description: 'Durable email sending over several providers.',
      },
      ...(publicUrl !== undefined && { servers: [{ url: publicUrl }] }),
      security: [{ apiKey: [] }],
      paths,
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'ep_live_… or ep_test_…' },
        },
      },
    },
    {
      // zod's pattern for a time is half a page; the format says it.
      override: ({ jsonSchema }) => {
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      },
    },
  );
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: describe(route),
    requestParams: {
      ...pathParams(route),
      ...(route.query instanceof z.ZodObject &&
        Object.keys(route.query.shape).length > 0 && { query: route.query }),
      header: headers.extend({
        ...(route.method === 'post' && { 'Idempotency-Key': idempotencyKey }),
        ...(route.method === 'patch' && route.hasEtag && { 'If-Match': ifMatch }),
      }),
    },
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse(undefined).success,
        content: { 'application/json': { schema: route.body } },
      },
    }),
    responses: {
      [String(route.status) as '200']: {
        description: 'Done.',
        content: Object.fromEntries(
          mediaTypesOf(route).map((type) => [type, { schema: schemaOf(route, type) }]),
        ),
      },
      default: {
        description: 'A problem; `code` says which.',
        content: { 'application/problem+json': { schema: problem } },
      },
    },
  };
}

function describe(route: Route): string {
  const scope =
    route.scope === null
      ? 'Any key of the tenant.'
      : `Needs a key with the scope \`${route.scope}\`.`;
  return route.description === undefined ? scope : `${route.description}\n\n${scope}`;
}

function mediaTypesOf(route: Route): string[] {
  if (route.contentTypes) return route.contentTypes;
  return ['application/json', ...(route.csv ? ['application/x-ndjson', 'text/csv'] : [])];
}

function schemaOf(route: Route, mediaType: string): z.ZodType {
  return mediaType === 'application/json' ? route.response : z.string();
}

const descriptions: Record<string, string> = { number: 'Number of the version.' };

function pathParams({ path }: Route) {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  if (names.length === 0) return {};
  const shape = Object.fromEntries(
    names.map((name) => [name, z.string().meta({ description: descriptions[name] ?? 'Its id.' })]),
  );
  return { path: z.object(shape) };
}
