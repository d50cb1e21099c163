import { z } from 'zod';
import { findUuid } from '../../domain/ids.ts';
import type { AcceptMessageInput } from '../../services/messages/message-input.ts';
import {
  addressesInput,
  addressInput,
  jsonObject,
  printable,
  stream,
  timeInput,
} from './common.ts';

const MAX_PART_LENGTH = 2_000_000;

const templateId = z.string().transform((id, context) => {
  const uuid = findUuid('template', id);
  if (uuid !== undefined) return uuid;
  context.addIssue({
    code: 'custom',
    message: 'There is no such template. GET /v1/templates lists them.',
    params: { code: 'not_found' },
  });
  return z.NEVER;
});

const attachment = z
  .strictObject({
    filename: z.string().min(1).max(255),
    contentType: z.string().max(255),
    content: z.string().meta({ description: 'Base64, without line breaks.' }),
    contentId: z
      .string()
      .max(120)
      .optional()
      .meta({ description: 'Shown inside the HTML as `cid:`; without it a file to download.' }),
  })
  .meta({ id: 'AttachmentInput' });

/** `POST /v1/messages`; the sugar of input is gone after parsing. */
export const messageInput = z
  .strictObject({
    from: addressInput.meta({ description: 'Its domain must be one of your sending domains.' }),
    to: addressesInput,
    cc: addressesInput.default([]),
    bcc: addressesInput.default([]),
    replyTo: addressesInput.default([]),
    subject: z.string().max(998).optional().meta({ description: 'Nunjucks, like all content.' }),
    preheader: z.string().max(2_000).optional().meta({ description: 'Preview text of an inbox.' }),
    html: z.string().max(MAX_PART_LENGTH).optional(),
    text: z.string().max(MAX_PART_LENGTH).optional(),
    template: z
      .strictObject({
        key: z.string().max(63).optional(),
        id: templateId.optional(),
        version: z.int().min(1).max(999_999_999).optional(),
      })
      .optional()
      .meta({ description: 'By `key` or `id`; the published version unless `version` is given.' }),
    variables: jsonObject.default({}),
    locale: z
      .string()
      .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/, 'must be a language tag such as de-AT')
      .optional(),
    attachments: z.array(attachment).max(100).default([]),
    headers: z
      .record(z.string().max(126), z.string().max(2_000))
      .default({})
      .refine(atMost(50), tooMany(50)),
    tags: z.array(printable(128)).max(10).default([]),
    metadata: z
      .record(printable(64), z.string().max(1_024))
      .default({})
      .refine(atMost(50), tooMany(50))
      .meta({ description: 'Text values; kept with the message and given back.' }),
    stream: stream.default('transactional'),
    topic: z
      .string()
      .regex(/^[a-z0-9._-]{1,64}$/, 'must be 1 to 64 of a-z, 0-9, dot, dash and underscore')
      .optional(),
    scheduledAt: timeInput.optional(),
    expiresAt: timeInput.optional().meta({ description: 'Nothing is sent after this.' }),
    waitFor: z.enum(['delivery', 'acceptance']).optional(),
    tracking: z
      .strictObject({ opens: z.boolean().optional(), clicks: z.boolean().optional() })
      .optional(),
    routing: z
      .strictObject({
        account: printable(100).optional(),
        exclude: z.array(printable(100)).max(50).optional(),
      })
      .optional()
      .meta({ description: 'Accounts by id or name: the only one, or those not to use.' }),
    onUnknown: z.enum(['leave', 'resend']).optional(),
  })
  .meta({
    id: 'MessageInput',
    override: {
      examples: [
        {
          from: 'Acme <hello@acme.test>',
          to: 'ada@example.com',
          subject: 'Hello {{ name }}',
          html: '<p>Hello {{ name }}</p>',
          variables: { name: 'Ada' },
        },
      ],
    },
  }) satisfies z.ZodType<AcceptMessageInput>;

function atMost(count: number) {
  return (value: object) => Object.keys(value).length <= count;
}

function tooMany(count: number) {
  return { message: `At most ${count} entries.`, params: { code: 'too_big' } };
}
