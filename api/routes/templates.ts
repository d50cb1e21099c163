import { z } from 'zod';
import { previewTemplate } from '../../services/templates/preview-template.ts';
import {
  archiveTemplate,
  createTemplate,
  getTemplate,
  listTemplates,
  updateTemplate,
} from '../../services/templates/templates.ts';
import { defineRoute } from '../route.ts';
import { jsonObject, pageOf, pageQuery, printable, time } from '../schemas/common.ts';

const tag = 'Templates';

const template = z
  .strictObject({
    id: z.string(),
    key: z.string(),
    name: z.string(),
    kind: z.literal('message'),
    publishedVersion: z.number().nullable(),
    archivedAt: time.nullable(),
    createdAt: time,
    updatedAt: time,
    etag: z.string(),
  })
  .meta({ id: 'Template' });

const preview = z
  .strictObject({
    version: z.number(),
    subject: z.string(),
    preheader: z.string().nullable(),
    html: z.string().nullable(),
    text: z.string().nullable(),
    sizeBytes: z.number(),
    warnings: z.array(z.strictObject({ code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'TemplatePreview' });

export const templateRoutes = [
  defineRoute({
    method: 'post',
    path: '/v1/templates',
    operationId: 'createTemplate',
    tag,
    scope: 'manage',
    summary: 'Create a template',
    description: 'It has no content yet: make a version of it and publish that.',
    body: z.strictObject({
      key: z
        .string()
        .regex(
          /^[a-z0-9][a-z0-9._-]{0,62}$/,
          'must be 1 to 63 of a-z, 0-9, dot, dash and underscore, and begin with a letter or digit',
        )
        .meta({ description: 'Names it in requests; never changes.' }),
      name: printable(200),
    }),
    response: template,
    status: 201,
    hasEtag: true,
    handler: ({ ctx, body }) => createTemplate(ctx, body),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/templates',
    operationId: 'listTemplates',
    tag,
    scope: 'read',
    summary: 'List templates',
    query: pageQuery,
    response: pageOf(template),
    status: 200,
    handler: ({ ctx, query }) => listTemplates(ctx, query),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/templates/:id',
    operationId: 'getTemplate',
    tag,
    scope: 'read',
    summary: 'One template',
    response: template,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params }) => getTemplate(ctx, params.id),
  }),
  defineRoute({
    method: 'patch',
    path: '/v1/templates/:id',
    operationId: 'updateTemplate',
    tag,
    scope: 'manage',
    summary: 'Rename a template',
    body: z.strictObject({ name: printable(200).optional() }),
    response: template,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params, body, ifMatch }) => updateTemplate(ctx, params.id, ifMatch, body),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/templates/:id/archive',
    operationId: 'archiveTemplate',
    tag,
    scope: 'manage',
    summary: 'Take a template out of use',
    response: template,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params }) => archiveTemplate(ctx, params.id),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/templates/:id/preview',
    operationId: 'previewTemplate',
    tag,
    scope: 'read',
    summary: 'Render a version',
    description:
      'Without `version`: the published one, else the newest draft. Without `variables`: its sample.',
    body: z
      .strictObject({
        version: z.int().min(1).max(999_999_999).optional(),
        variables: jsonObject.optional(),
      })
      .default({}),
    response: preview,
    status: 200,
    handler: ({ ctx, params, body }) => previewTemplate(ctx, params.id, body),
  }),
];
