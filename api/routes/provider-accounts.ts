import { z } from 'zod';
import { checkProviderAccount } from '../../services/providers/check-account.ts';
import {
  createProviderAccount,
  getProviderAccount,
  listProviderAccounts,
  rotateWebhookToken,
  updateProviderAccount,
} from '../../services/providers/provider-accounts.ts';
import { defineRoute } from '../route.ts';
import { jsonObject, mode, pageOf, pageQuery, printable, time } from '../schemas/common.ts';

const tag = 'Provider accounts';

const deliveryEvents = z.enum(['full', 'partial', 'none']);
const price = z.strictObject({
  micros: z.int().min(0),
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency code such as USD'),
});

const account = z
  .strictObject({
    id: z.string(),
    provider: z.string(),
    name: z.string(),
    mode,
    settings: jsonObject,
    webhook: z.strictObject({
      url: z
        .string()
        .nullable()
        .meta({ description: 'Tell it to the provider; null without PUBLIC_URL.' }),
      hasSecrets: z
        .boolean()
        .meta({ description: 'Whether posts can be verified; else they are refused.' }),
      lastEventAt: time.nullable(),
    }),
    deliveryEvents,
    honoursCallId: z.boolean(),
    limits: z.strictObject({ perSecond: z.number().nullable(), perDay: z.number().nullable() }),
    pricePerThousand: price.nullable(),
    enabled: z.boolean(),
    createdAt: time,
    updatedAt: time,
    etag: z.string(),
  })
  .meta({ id: 'ProviderAccount' });

const rate = z.int().min(1).max(2_147_483_647).nullable().optional();
const changeable = {
  name: printable(100),
  credentials: jsonObject.meta({ description: 'As the provider needs them; only written.' }),
  settings: jsonObject.meta({ description: 'As the provider has them: region, host, baseUrl, …' }),
  webhook: jsonObject
    .nullable()
    .meta({ description: 'What proves a post, such as `signingKey`; only written.' }),
  deliveryEvents: deliveryEvents.nullable(),
  honoursCallId: z.boolean().meta({ description: 'Only at the sandbox.' }),
  limits: z.strictObject({ perSecond: rate, perDay: rate }),
  pricePerThousand: price.nullable(),
  enabled: z.boolean(),
};

const accountChange = z.strictObject(changeable).partial();
const newAccount = accountChange
  .extend({ provider: z.string().max(64), name: changeable.name })
  .meta({
    id: 'ProviderAccountInput',
    examples: [{ provider: 'sendgrid', name: 'main', credentials: { apiKey: 'SG.…' } }],
  });

export const providerAccountRoutes = [
  defineRoute({
    method: 'post',
    path: '/v1/provider-accounts',
    operationId: 'createProviderAccount',
    tag,
    scope: 'manage',
    summary: 'Add an account at a mail provider',
    description: 'It gets the mode of the key: a test account reaches only the sandbox.',
    body: newAccount,
    response: account,
    status: 201,
    hasEtag: true,
    handler: ({ ctx, body }) => createProviderAccount(ctx, body),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/provider-accounts',
    operationId: 'listProviderAccounts',
    tag,
    scope: 'read',
    summary: 'List the accounts of the key’s mode',
    query: pageQuery,
    response: pageOf(account),
    status: 200,
    handler: ({ ctx, query }) => listProviderAccounts(ctx, query),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/provider-accounts/:id',
    operationId: 'getProviderAccount',
    tag,
    scope: 'read',
    summary: 'One account',
    response: account,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params }) => getProviderAccount(ctx, params.id),
  }),
  defineRoute({
    method: 'patch',
    path: '/v1/provider-accounts/:id',
    operationId: 'updateProviderAccount',
    tag,
    scope: 'manage',
    summary: 'Change an account',
    description:
      'What is absent stays, `null` clears; credentials, settings and webhook merge field by field. Who moves the ' +
      'account to another host gives its credentials again.',
    body: accountChange,
    response: account,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params, body, ifMatch }) =>
      updateProviderAccount(ctx, params.id, ifMatch, body),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/provider-accounts/:id/check',
    operationId: 'checkProviderAccount',
    tag,
    scope: 'manage',
    summary: 'Ask the provider whether the credentials are good',
    response: z.strictObject({ ok: z.boolean(), detail: z.string() }),
    status: 200,
    handler: ({ ctx, params }) => checkProviderAccount(ctx, params.id),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/provider-accounts/:id/rotate-webhook-token',
    operationId: 'rotateWebhookToken',
    tag,
    scope: 'manage',
    summary: 'Change the secret in the webhook’s URL',
    description: 'The URL before keeps working until the next rotation.',
    response: account,
    status: 200,
    hasEtag: true,
    handler: ({ ctx, params }) => rotateWebhookToken(ctx, params.id),
  }),
];
