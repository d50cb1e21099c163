import { z } from 'zod';
import {
  createTemplateVersion,
  getTemplateVersion,
  listTemplateVersions,
  publishTemplateVersion,
  updateTemplateVersion,
} from '../../services/templates/template-versions.ts';
import type { VersionContent } from '../../services/templates/check-version-content.ts';
import { defineRoute } from '../route.ts';
import { jsonObject, pageOf, pageQuery, readNumber, time } from '../schemas/common.ts';

const tag = 'Templates';

const version = z
  .strictObject({
    templateId: z.string(),
    number: z.number(),
    status: z.enum(['draft', 'published']),
    subject: z.string(),
    preheader: z.string().nullable(),
    html: z.string().nullable(),
    text: z.string().nullable(),
    variablesSchema: jsonObject.nullable(),
    sample: jsonObject.nullable(),
    locale: z.string().nullable(),
    createdAt: time,
    publishedAt: time.nullable(),
    publishedBy: z.string().nullable(),
  })
  .meta({ id: 'TemplateVersion' });

const subject = z.string().min(1).max(998);
const rest = {
  preheader: z.string().max(2_000).nullable(),
  html: z
    .string()
    .max(500_000)
    .nullable()
    .meta({ description: 'Nunjucks, like subject and text.' }),
  text: z
    .string()
    .max(500_000)
    .nullable()
    .meta({ description: 'Made from the HTML at publishing where absent.' }),
  variablesSchema: jsonObject.nullable().meta({ description: 'JSON Schema, draft 2020-12.' }),
  sample: jsonObject.nullable().meta({ description: 'Variables for previews.' }),
  locale: z
    .string()
    .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/, 'must be a language tag such as de-AT')
    .nullable(),
};

const newVersion = z
  .strictObject({
    subject,
    preheader: rest.preheader.default(null),
    html: rest.html.default(null),
    text: rest.text.default(null),
    variablesSchema: rest.variablesSchema.default(null),
    sample: rest.sample.default(null),
    locale: rest.locale.default(null),
  })
  .meta({
    id: 'TemplateVersionInput',
    examples: [
      {
        subject: 'Welcome, {{ name }}',
        html: '<h1>Welcome, {{ name }}</h1>',
        sample: { name: 'Ada' },
      },
    ],
  }) satisfies z.ZodType<VersionContent>;

const versionChange = z.strictObject({ subject, ...rest }).partial();

export const templateVersionRoutes = [
  defineRoute({
    method: 'post',
    path: '/v1/templates/:id/versions',
    operationId: 'createTemplateVersion',
    tag,
    scope: 'manage',
    summary: 'Write a new version, a draft',
    description: 'Mistakes in the source are refused with line and column.',
    body: newVersion,
    response: version,
    status: 201,
    handler: ({ ctx, params, body }) => createTemplateVersion(ctx, params.id, body),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/templates/:id/versions',
    operationId: 'listTemplateVersions',
    tag,
    scope: 'read',
    summary: 'List versions',
    query: z.strictObject({
      limit: pageQuery.shape.limit,
      cursor: z
        .string()
        .regex(/^[1-9]\d{0,8}$/, 'must be the nextCursor of the page before')
        .transform(Number)
        .optional(),
    }),
    response: pageOf(version),
    status: 200,
    handler: ({ ctx, params, query }) =>
      listTemplateVersions(ctx, params.id, { limit: query.limit, before: query.cursor }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/templates/:id/versions/:number',
    operationId: 'getTemplateVersion',
    tag,
    scope: 'read',
    summary: 'One version',
    response: version,
    status: 200,
    handler: ({ ctx, params }) => getTemplateVersion(ctx, params.id, readNumber(params.number)),
  }),
  defineRoute({
    method: 'patch',
    path: '/v1/templates/:id/versions/:number',
    operationId: 'updateTemplateVersion',
    tag,
    scope: 'manage',
    summary: 'Change a draft',
    description: 'What is absent stays, `null` clears. A published version never changes.',
    body: versionChange,
    response: version,
    status: 200,
    handler: ({ ctx, params, body }) =>
      updateTemplateVersion(ctx, params.id, readNumber(params.number), body),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/templates/:id/versions/:number/publish',
    operationId: 'publishTemplateVersion',
    tag,
    scope: 'manage',
    summary: 'Publish a version',
    response: version,
    status: 200,
    handler: ({ ctx, params }) => publishTemplateVersion(ctx, params.id, readNumber(params.number)),
  }),
];
