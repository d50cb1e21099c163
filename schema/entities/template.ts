import { defineEntity, p } from '@mikro-orm/core';
import { TenantRowSchema } from './base.ts';

export const TemplateSchema = defineEntity({
  name: 'Template',
  tableName: 'templates',
  extends: TenantRowSchema,
  properties: {
    key: p.text(),
    name: p.text(),
    publishedVersion: p.integer().nullable(),
    archivedAt: p.datetime().nullable(),
    version: p.integer(),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
  },
});
export class Template extends TemplateSchema.class {}
TemplateSchema.setClass(Template);

export const TemplateVersionSchema = defineEntity({
  name: 'TemplateVersion',
  tableName: 'template_versions',
  extends: TenantRowSchema,
  properties: {
    templateId: p.uuid(),
    number: p.integer(),
    status: p.text().$type<'draft' | 'published'>(),
    subject: p.text(),
    preheader: p.text().nullable(),
    html: p.text().nullable(),
    text: p.text().nullable(),
    variablesSchema: p.json<Record<string, unknown>>().nullable(),
    sample: p.json<Record<string, unknown>>().nullable(),
    locale: p.text().nullable(),
    createdAt: p.datetime(),
    publishedAt: p.datetime().nullable(),
    publishedBy: p.text().nullable(),
  },
});
export class TemplateVersion extends TemplateVersionSchema.class {}
TemplateVersionSchema.setClass(TemplateVersion);
