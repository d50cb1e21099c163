import { ApiKeySchema, AuditEntrySchema, TenantSchema } from './tenancy.ts';
import { ProviderAccountSchema, SendingDomainSchema } from './provider-account.ts';
import { TemplateSchema, TemplateVersionSchema } from './template.ts';
import { TenantRowSchema } from './base.ts';

export const entities = [
  TenantRowSchema,
  TenantSchema,
  ApiKeySchema,
  AuditEntrySchema,
  ProviderAccountSchema,
  SendingDomainSchema,
  TemplateSchema,
  TemplateVersionSchema,
];
