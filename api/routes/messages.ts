import { z } from 'zod';
import { messageStatusNames } from '../../domain/message-status.ts';
import { recipientStatusNames } from '../../domain/recipient-status.ts';
import { acceptMessage, validateMessage } from '../../services/messages/accept-message.ts';
import { cancelMessage } from '../../services/messages/cancel-message.ts';
import { getMessage, listMessages } from '../../services/messages/read-messages.ts';
import { rescheduleMessage } from '../../services/messages/reschedule-message.ts';
import { defineRoute, type CsvColumns } from '../route.ts';
import { checkMode, mode, pageOf, pageQuery, stream, timeInput } from '../schemas/common.ts';
import { messageInput } from '../schemas/message-input.ts';
import { acceptedMessage, message, validatedMessage } from '../schemas/message.ts';
import { withWorkflowUrl } from '../workflow-url.ts';

const tag = 'Messages';
/** 25 MB of attachments in base64, and the rest. */
const BODY_LIMIT_BYTES = 40 * 1024 * 1024;

const text = z.string().min(1).max(1_024).optional();

const csv: CsvColumns<z.input<typeof message>> = {
  id: ({ id }) => id,
  status: ({ status }) => status,
  reason: ({ reason }) => reason,
  mode: (row) => row.mode,
  stream: (row) => row.stream,
  from: ({ from }) => from.email,
  recipients: ({ recipients }) => recipients.map(({ email }) => email).join(' '),
  recipientStatuses: ({ recipients }) => recipients.map(({ status }) => status).join(' '),
  subject: ({ subject }) => subject,
  template: ({ template }) => template?.key ?? null,
  tags: ({ tags }) => tags.join(' '),
  metadata: ({ metadata }) => JSON.stringify(metadata),
  createdAt: ({ createdAt }) => createdAt,
  scheduledAt: ({ scheduledAt }) => scheduledAt,
  sentAt: ({ sentAt }) => sentAt,
  provider: ({ provider }) => provider,
  account: ({ account }) => account,
  attempts: ({ attempts }) => attempts.length,
  duplicateDetected: ({ duplicateDetected }) => duplicateDetected,
  costMicros: ({ cost }) => cost?.micros ?? null,
  currency: ({ cost }) => cost?.currency ?? null,
};

export const messageRoutes = [
  defineRoute({
    method: 'post',
    path: '/v1/messages',
    operationId: 'sendMessage',
    tag,
    scope: 'send',
    summary: 'Send one message',
    description:
      'Answers once the message is stored for good. With `validateOnly=true` everything is checked, the account chosen ' +
      'and nothing stored.',
    query: z.strictObject({ validateOnly: z.stringbool().default(false) }),
    body: messageInput,
    response: z.union([acceptedMessage, validatedMessage]),
    status: 202,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    isDryRun: ({ validateOnly }) => validateOnly,
    handler: ({ ctx, query, body }) =>
      query.validateOnly ? validateMessage(ctx, body) : acceptMessage(ctx, body),
    present: (result, key, ctx) =>
      'workflowId' in result ? withWorkflowUrl(result, key, ctx) : result,
  }),
  defineRoute({
    method: 'get',
    path: '/v1/messages',
    operationId: 'listMessages',
    tag,
    scope: 'read',
    summary: 'Find messages, newest first',
    query: pageQuery.extend({
      status: z.enum(messageStatusNames).optional(),
      recipientStatus: z.enum(recipientStatusNames).optional(),
      to: text.meta({ description: 'An address in to, cc or bcc.' }),
      tag: text,
      metadata: z
        .record(z.string(), z.string())
        .optional()
        .meta({ description: 'As `metadata.<key>=<value>`, several for all of them.' }),
      template: text.meta({ description: 'Key of the template.' }),
      stream: stream.optional(),
      account: text.meta({ description: 'Id or name of the account.' }),
      provider: text,
      providerMessageId: text,
      mode: mode.optional(),
    }),
    response: pageOf(message),
    status: 200,
    csv,
    handler: ({ ctx, query: { mode: wanted, ...filter } }) => {
      checkMode(ctx, wanted);
      return listMessages(ctx, filter);
    },
    present: ({ data, nextCursor }, key, ctx) => ({
      data: data.map((view) => withWorkflowUrl(view, key, ctx)),
      nextCursor,
    }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/messages/:id',
    operationId: 'getMessage',
    tag,
    scope: 'read',
    summary: 'One message with its recipients and attempts',
    response: message,
    status: 200,
    handler: ({ ctx, params }) => getMessage(ctx, params.id),
    present: withWorkflowUrl,
  }),
  defineRoute({
    method: 'post',
    path: '/v1/messages/:id/cancel',
    operationId: 'cancelMessage',
    tag,
    scope: 'send',
    summary: 'Cancel what is not sent yet',
    response: message,
    status: 200,
    handler: ({ ctx, params }) => cancelMessage(ctx, params.id),
    present: withWorkflowUrl,
  }),
  defineRoute({
    method: 'patch',
    path: '/v1/messages/:id',
    operationId: 'rescheduleMessage',
    tag,
    scope: 'send',
    summary: 'Move a scheduled message',
    description:
      'What is absent stays. `scheduledAt: null` sends it now, `expiresAt: null` never expires.',
    body: z.strictObject({
      scheduledAt: timeInput.nullable().optional(),
      expiresAt: timeInput.nullable().optional(),
    }),
    response: message,
    status: 200,
    handler: ({ ctx, params, body }) => rescheduleMessage(ctx, params.id, body),
    present: withWorkflowUrl,
  }),
];
