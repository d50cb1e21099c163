import { defineEntity, p } from '@mikro-orm/core';

/** What every tenant's row has. The filter is a convenience; row-level security is the wall. */
export const TenantRowSchema = defineEntity({
  name: 'TenantRow',
  abstract: true,
  properties: {
    id: p.uuid().primary(),
    tenantId: p.uuid(),
  },
  filters: {
    tenant: {
      name: 'tenant',
      cond: (args: Record<string, unknown>) => ({ tenantId: args['tenantId'] }),
      default: true,
    },
  },
});
