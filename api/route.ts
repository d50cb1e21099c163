import { z } from 'zod';
import type { TenantKey } from '../services/authenticate.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Scope } from '../services/tenants/new-key.ts';
import type { VersionCondition } from '../services/version-condition.ts';
import { validate } from './validate.ts';

export type Method = 'get' | 'post' | 'patch';

/** The names after colons: `/v1/messages/:id` has `{ id: string }`. */
export type PathParams<Path extends string> = Path extends `${infer Head}/${infer Tail}`
  ? PathParams<Head> & PathParams<Tail>
  : Path extends `:${infer Name}`
    ? Record<Name, string>
    : unknown;

/** What a handler gets: everything is read and valid. */
export interface Call<Params, Query, Body> {
  ctx: ServiceContext;
  key: TenantKey;
  params: Params;
  query: Query;
  body: Body;
  ifMatch: VersionCondition;
}

/** An answer that is not JSON. */
export class Content {
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers: Record<string, string>;

  constructor(type: string, body: string | Buffer, headers: Record<string, string> = {}) {
    this.type = type;
    this.body = body;
    this.headers = headers;
  }
}

/** A list's columns as CSV: the heading and where its cell comes from. */
export type CsvColumns<Item> = Record<string, (item: Item) => string | number | boolean | null>;

interface RouteTexts {
  method: Method;
  operationId: string;
  /** Heading under which the documentation shows it. */
  tag: string;
  /** What the key must be allowed; null: any key of a tenant. */
  scope: Scope | null;
  summary: string;
  description?: string;
  status: number;
  bodyLimitBytes?: number;
  /** The result has an `etag`; PATCH wants it in `If-Match`. */
  hasEtag?: boolean;
  /** Media types of a {@link Content}. */
  contentTypes?: string[];
}

export interface RouteDefinition<
  Path extends string,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Response extends z.ZodType,
> extends RouteTexts {
  path: Path;
  query?: Query;
  body?: Body;
  response: Response;
  handler: (
    call: Call<PathParams<Path>, z.output<Query>, z.output<Body>>,
  ) => Promise<z.input<Response> | Content>;
  /** Adds what depends on who asks; a stored answer passes through it too. */
  present?: (result: z.input<Response>, key: TenantKey, ctx: ServiceContext) => unknown;
  /** Such a call stores nothing, so an idempotency key means nothing to it. */
  isDryRun?: (query: z.output<Query>) => boolean;
  /** A list that is also given as CSV, and as NDJSON. */
  csv?: CsvColumns<ItemOf<z.input<Response>>>;
}
type ItemOf<List> = List extends { data: (infer Item)[] } ? Item : never;

/** A call as it came in, past authentication. */
export interface RawCall {
  ctx: ServiceContext;
  key: TenantKey;
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: unknown;
  ifMatch: VersionCondition;
  /** The stored result of an earlier call under the same idempotency key. */
  findReplay: () => Promise<{ result: unknown } | undefined>;
}

export interface RouteResult {
  body: unknown;
  isReplayed: boolean;
}

/** A route whose types are settled: its schemas, for the document, and one function that runs it. */
export interface Route extends RouteTexts {
  path: string;
  query: z.ZodType;
  body: z.ZodType | undefined;
  response: z.ZodType;
  run: (call: RawCall) => Promise<RouteResult>;
  csv: CsvColumns<unknown> | undefined;
}

const NOTHING = z.strictObject({});

/** Path, schemas and handler of one operation, in one place. */
export function defineRoute<
  const Path extends string,
  Response extends z.ZodType,
  Query extends z.ZodType = typeof NOTHING,
  Body extends z.ZodType = z.ZodOptional<typeof NOTHING>,
>(definition: RouteDefinition<Path, Query, Body, Response>): Route {
  const { handler, present, isDryRun, csv, ...texts } = definition;
  const querySchema: z.ZodType = definition.query ?? NOTHING;
  const bodySchema: z.ZodType = definition.body ?? NOTHING.optional();
  const show = (result: unknown, { key, ctx }: RawCall) =>
    present && !(result instanceof Content)
      ? present(result as z.input<Response>, key, ctx)
      : result;
  return {
    ...texts,
    query: querySchema,
    body: definition.body,
    csv: csv as CsvColumns<unknown> | undefined, // its own list's items are all it ever sees
    run: async (raw) => {
      const query = validate(querySchema, raw.query) as z.output<Query>;
      const replay = isDryRun?.(query) ? undefined : await raw.findReplay();
      if (replay) return { body: show(replay.result, raw), isReplayed: true };
      const body = validate(bodySchema, raw.body) as z.output<Body>;
      // The router took the parameters from this very path.
      const params = raw.params as unknown as PathParams<Path>;
      const result = await handler({ ...raw, query, body, params });
      return { body: show(result, raw), isReplayed: raw.ctx.replayed };
    },
  };
}
