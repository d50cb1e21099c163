import { defineEntity, p } from '@mikro-orm/core';
import { TenantRowSchema } from './base.ts';

export const TenantSchema = defineEntity({
  name: 'Tenant',
  tableName: 'tenants',
  properties: {
    id: p.uuid().primary(),
    key: p.text(),
    name: p.text(),
    state: p.text().$type<'active' | 'suspended'>(),
    /** The tenant's data key, wrapped under the master key. */
    dataKeyEnc: p.blob().$type<Buffer>(),
    createdAt: p.datetime(),
  },
});
export class Tenant extends TenantSchema.class {}
TenantSchema.setClass(Tenant);

export const ApiKeySchema = defineEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  extends: TenantRowSchema,
  properties: {
    name: p.text(),
    mode: p.text().$type<'live' | 'test'>(),
    scopes: p.array().$type<string[]>(),
    /** The first characters, to recognise it by. */
    hint: p.text(),
    hash: p.blob().$type<Buffer>(),
    createdAt: p.datetime(),
    expiresAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
  },
});
export class ApiKey extends ApiKeySchema.class {}
ApiKeySchema.setClass(ApiKey);

export const AuditEntrySchema = defineEntity({
  name: 'AuditEntry',
  tableName: 'audit_log',
  extends: TenantRowSchema,
  properties: {
    at: p.datetime(),
    actor: p.text(),
    action: p.text(),
    subject: p.text(),
    details: p.json<Record<string, unknown>>().nullable(),
    requestId: p.text().nullable(),
  },
});
export class AuditEntry extends AuditEntrySchema.class {}
AuditEntrySchema.setClass(AuditEntry);
