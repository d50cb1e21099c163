import { z } from 'zod';
import { explainMessage } from '../../services/messages/explain.ts';
import { getMessageContent } from '../../services/messages/message-content.ts';
import { getTimeline } from '../../services/messages/timeline.ts';
import { Content, defineRoute } from '../route.ts';
import { time } from '../schemas/common.ts';
import { cost } from '../schemas/message.ts';
import { withWorkflowUrl } from '../workflow-url.ts';

const tag = 'Messages';

const next = z
  .strictObject({ what: z.string(), at: time.nullable() })
  .nullable()
  .meta({ description: 'What happens next by itself, and when at the latest.' });

const timeline = z
  .strictObject({
    entries: z.array(
      z.looseObject({ at: time, kind: z.string() }).meta({
        id: 'TimelineEntry',
        description:
          'The details stand under the name of the kind: accepted, scheduled, started, rendered, routed, attempted, ' +
          'outcome, held, reconciled, event, settled, cancelled, suppressed.',
      }),
    ),
    next,
    workflowId: z.string(),
    workflowUrl: z.string().optional(),
  })
  .meta({ id: 'Timeline' });

const explanation = z
  .strictObject({
    verdict: z.string().meta({ description: 'One sentence.' }),
    status: z.string(),
    whyThisAccount: z.string().nullable(),
    providerSaid: z.string().nullable(),
    couldBeDoubled: z.enum(['no', 'possibly', 'yes']),
    next,
    cost: cost.nullable(),
    stoppedBy: z.string().nullable(),
    evidence: z.array(
      z.strictObject({
        claim: z.string(),
        pointer: z.string().meta({ description: 'JSON pointer into the timeline.' }),
      }),
    ),
  })
  .meta({ id: 'Explanation' });

export const messageStoryRoutes = [
  defineRoute({
    method: 'get',
    path: '/v1/messages/:id/content',
    operationId: 'getMessageContent',
    tag,
    scope: 'read',
    summary: 'The mail as it reads',
    query: z.strictObject({ as: z.enum(['html', 'text', 'raw']).default('html') }),
    response: z.string(),
    status: 200,
    contentTypes: ['text/html', 'text/plain', 'message/rfc822'],
    handler: async ({ ctx, params, query }) => {
      const { contentType, body } = await getMessageContent(ctx, params.id, query.as);
      // Somebody else's HTML: a browser that opens it must not run a script or send a form as this origin.
      return new Content(contentType, body, {
        'Content-Security-Policy':
          "sandbox; default-src 'none'; img-src *; style-src 'unsafe-inline'",
      });
    },
  }),
  defineRoute({
    method: 'get',
    path: '/v1/messages/:id/timeline',
    operationId: 'getMessageTimeline',
    tag,
    scope: 'read',
    summary: 'Everything that happened, in order',
    response: timeline,
    status: 200,
    handler: ({ ctx, params }) => getTimeline(ctx, params.id),
    present: withWorkflowUrl,
  }),
  defineRoute({
    method: 'get',
    path: '/v1/messages/:id/explain',
    operationId: 'explainMessage',
    tag,
    scope: 'read',
    summary: 'What happened and why, in sentences',
    response: explanation,
    status: 200,
    handler: ({ ctx, params }) => explainMessage(ctx, params.id),
  }),
];
