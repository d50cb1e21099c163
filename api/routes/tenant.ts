import { z } from 'zod';
import { recipientStatusNames } from '../../domain/recipient-status.ts';
import { listAuditLog } from '../../services/audit.ts';
import { getBalance } from '../../services/balance.ts';
import { createApiKey, listApiKeys, revokeApiKey } from '../../services/tenants/api-keys.ts';
import { getMe } from '../../services/tenants/me.ts';
import { scopes } from '../../services/tenants/new-key.ts';
import { defineRoute } from '../route.ts';
import {
  checkMode,
  jsonObject,
  mode,
  pageOf,
  pageQuery,
  printable,
  time,
  timeInput,
} from '../schemas/common.ts';

const scope = z.enum(scopes);

const apiKeyFields = {
  id: z.string(),
  name: z.string(),
  mode,
  scopes: z.array(scope),
  hint: z.string().meta({ description: 'The first characters, to recognise it by.' }),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
};
const apiKey = z.strictObject(apiKeyFields).meta({ id: 'ApiKey' });

const balance = z
  .strictObject({
    accepted: z.number().meta({ description: 'Recipients named in stored acceptances.' }),
    inProgress: z.number(),
    recipients: z.record(z.enum(recipientStatusNames), z.number()),
    duplicateDetected: z.number(),
    unmatchedEvents: z.number(),
    unexplained: z.number().meta({ description: 'Must be 0.' }),
  })
  .meta({ id: 'Balance' });

export const tenantRoutes = [
  defineRoute({
    method: 'get',
    path: '/v1/me',
    operationId: 'getMe',
    tag: 'Tenant',
    scope: null,
    summary: 'Who the key is',
    response: z
      .strictObject({
        tenant: z.strictObject({
          id: z.string(),
          key: z.string(),
          name: z.string(),
          state: z.enum(['active', 'suspended']),
        }),
        apiKey: apiKey.omit({ createdAt: true, revokedAt: true }),
      })
      .meta({ id: 'Me' }),
    status: 200,
    handler: ({ ctx }) => getMe(ctx),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/balance',
    operationId: 'getBalance',
    tag: 'Tenant',
    scope: 'read',
    summary: 'Do the books balance?',
    query: z.strictObject({
      since: timeInput.optional(),
      until: timeInput.optional(),
      mode: mode.optional(),
    }),
    response: balance,
    status: 200,
    handler: ({ ctx, query: { mode: wanted, ...filter } }) => {
      checkMode(ctx, wanted);
      return getBalance(ctx, filter);
    },
  }),
  defineRoute({
    method: 'post',
    path: '/v1/api-keys',
    operationId: 'createApiKey',
    tag: 'API keys',
    scope: 'manage',
    summary: 'Make an API key',
    description:
      'The secret is shown here and never again. A key grants only scopes that it has itself.',
    body: z.strictObject({
      name: printable(200),
      mode: mode.optional().meta({ description: 'That of the calling key where absent.' }),
      scopes: z.array(scope).min(1).max(scopes.length),
      expiresAt: timeInput.nullable().optional(),
    }),
    response: z.strictObject({ ...apiKeyFields, secret: z.string() }).meta({ id: 'NewApiKey' }),
    status: 201,
    handler: ({ ctx, key, body }) => createApiKey(ctx, body, key.scopes),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/api-keys',
    operationId: 'listApiKeys',
    tag: 'API keys',
    scope: 'manage',
    summary: 'List API keys',
    query: pageQuery,
    response: pageOf(apiKey),
    status: 200,
    handler: ({ ctx, query }) => listApiKeys(ctx, query),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/api-keys/:id/revoke',
    operationId: 'revokeApiKey',
    tag: 'API keys',
    scope: 'manage',
    summary: 'End an API key',
    description: 'It is refused everywhere within a second.',
    response: apiKey,
    status: 200,
    handler: ({ ctx, params }) => revokeApiKey(ctx, params.id),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/audit-log',
    operationId: 'listAuditLog',
    tag: 'Tenant',
    scope: 'manage',
    summary: 'Who changed what',
    query: pageQuery,
    response: pageOf(
      z
        .strictObject({
          at: time,
          actor: z.string(),
          action: z.string(),
          subject: z.string(),
          details: jsonObject.nullable(),
          requestId: z.string().nullable(),
        })
        .meta({ id: 'AuditEntry' }),
    ),
    status: 200,
    handler: ({ ctx, query }) => listAuditLog(ctx, query),
  }),
];
