import { defineEntity, p } from '@mikro-orm/core';
import { TenantRowSchema } from './base.ts';

export const ProviderAccountSchema = defineEntity({
  name: 'ProviderAccount',
  tableName: 'provider_accounts',
  extends: TenantRowSchema,
  properties: {
    name: p.text(),
    provider: p.text(),
    mode: p.text().$type<'live' | 'test'>(),
    credentialsEnc: p.blob().$type<Buffer>(),
    settings: p.json<Record<string, unknown>>(),
    webhookSecretsEnc: p.blob().$type<Buffer>().nullable(),
    webhookTokenHash: p.blob().$type<Buffer>(),
    webhookPreviousTokenHash: p.blob().$type<Buffer>().nullable(),
    webhookTokenEnc: p.blob().$type<Buffer>(),
    deliveryEvents: p.text().$type<'full' | 'partial' | 'none'>(),
    honoursCallId: p.boolean(),
    perSecond: p.integer().nullable(),
    perDay: p.integer().nullable(),
    priceMicros: p.bigint('number').nullable(),
    priceCurrency: p.text().nullable(),
    enabled: p.boolean(),
    lastEventAt: p.datetime().nullable(),
    version: p.integer(),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
  },
});
export class ProviderAccount extends ProviderAccountSchema.class {}
ProviderAccountSchema.setClass(ProviderAccount);

export const SendingDomainSchema = defineEntity({
  name: 'SendingDomain',
  tableName: 'sending_domains',
  extends: TenantRowSchema,
  properties: {
    domain: p.text(),
    state: p.text().$type<'unverified' | 'verified'>(),
    createdAt: p.datetime(),
    verifiedAt: p.datetime().nullable(),
  },
});
export class SendingDomain extends SendingDomainSchema.class {}
SendingDomainSchema.setClass(SendingDomain);
