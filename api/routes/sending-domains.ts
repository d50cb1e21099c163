import { z } from 'zod';
import {
  createSendingDomain,
  getSendingDomain,
  listSendingDomains,
} from '../../services/domains/sending-domains.ts';
import { defineRoute } from '../route.ts';
import { pageOf, pageQuery, time } from '../schemas/common.ts';

const tag = 'Sending domains';

const sendingDomain = z
  .strictObject({
    id: z.string(),
    domain: z.string(),
    state: z.enum(['unverified', 'verified']),
    createdAt: time,
    verifiedAt: time.nullable(),
  })
  .meta({ id: 'SendingDomain' });

export const sendingDomainRoutes = [
  defineRoute({
    method: 'post',
    path: '/v1/sending-domains',
    operationId: 'createSendingDomain',
    tag,
    scope: 'manage',
    summary: 'Add a domain to send from',
    body: z.strictObject({
      domain: z
        .string()
        .max(253)
        .meta({ examples: ['mail.example.com'] }),
    }),
    response: sendingDomain,
    status: 201,
    handler: ({ ctx, body }) => createSendingDomain(ctx, body),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/sending-domains',
    operationId: 'listSendingDomains',
    tag,
    scope: 'read',
    summary: 'List sending domains',
    query: pageQuery,
    response: pageOf(sendingDomain),
    status: 200,
    handler: ({ ctx, query }) => listSendingDomains(ctx, query),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/sending-domains/:id',
    operationId: 'getSendingDomain',
    tag,
    scope: 'read',
    summary: 'One sending domain',
    response: sendingDomain,
    status: 200,
    handler: ({ ctx, params }) => getSendingDomain(ctx, params.id),
  }),
];
