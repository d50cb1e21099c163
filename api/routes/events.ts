import { z } from 'zod';
import { eventTypes } from '../../domain/delivery-event.ts';
import { listEvents } from '../../services/events/list-events.ts';
import { defineRoute, type CsvColumns } from '../route.ts';
import { pageOf, pageQuery, time } from '../schemas/common.ts';

const event = z
  .strictObject({
    id: z.string(),
    type: z.string(),
    at: time.meta({ description: 'The provider’s own time.' }),
    receivedAt: time,
    messageId: z.string().nullable(),
    recipient: z.string().nullable(),
    attempt: z.number().nullable(),
    provider: z.string().nullable(),
    account: z.string().nullable(),
    bounceKind: z.string().nullable(),
    reason: z.string().nullable(),
    description: z.string().nullable(),
    machine: z.boolean().nullable(),
    url: z.string().nullable(),
    userAgent: z.string().nullable(),
    ip: z.string().nullable(),
    raw: z.unknown().optional().meta({ description: 'What the provider posted, with `raw=true`.' }),
  })
  .meta({ id: 'Event' });

type Field = Exclude<keyof z.input<typeof event>, 'raw'>;
const fields = Object.keys(event.shape).filter((name): name is Field => name !== 'raw');
const csv: CsvColumns<z.input<typeof event>> = Object.fromEntries(
  fields.map((name) => [name, (row: z.input<typeof event>) => row[name]]),
);

export const eventRoutes = [
  defineRoute({
    method: 'get',
    path: '/v1/events',
    operationId: 'listEvents',
    tag: 'Events',
    scope: 'read',
    summary: 'What providers and readers did, newest received first',
    query: pageQuery.extend({
      messageId: z.string().max(64).optional(),
      type: z.enum(eventTypes).optional(),
      raw: z.stringbool().default(false),
    }),
    response: pageOf(event),
    status: 200,
    csv,
    handler: ({ ctx, query }) => listEvents(ctx, query),
  }),
];
