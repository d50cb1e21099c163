import type { EntityManager } from '@mikro-orm/postgresql';
import { addressKey, addressProblem, domainOf, hasControlCharacter } from '../../domain/address.ts';
import { headerProblem } from '../../domain/headers.ts';
import { PlatformError, type ErrorItem } from '../../domain/platform-error.ts';
import { SendingDomain } from '../../schema/entities/provider-account.ts';
import type { AcceptMessageInput } from './message-input.ts';

const MAX_RECIPIENTS = 50;
const MAX_ATTACHMENT_BYTES = 25 * 1024 * 1024;

/** Everything about a request that can be judged by itself; all problems at once. */
export function findMessageProblems(input: AcceptMessageInput, now: Date): ErrorItem[] {
  return [
    ...addressProblems(input),
    ...contentProblems(input),
    ...headerProblems(input),
    ...timeProblems(input, now),
    ...attachmentProblems(input),
    ...(input.onUnknown === 'resend'
      ? [
          {
            pointer: '/onUnknown',
            code: 'not_supported',
            detail: '"resend" is not available yet. Leave onUnknown out or use "leave".',
          },
        ]
      : []),
  ];
}

function addressProblems(input: AcceptMessageInput): ErrorItem[] {
  const items: ErrorItem[] = [];
  const check = (pointer: string, { email, name }: { email: string; name?: string }) => {
    const problem = addressProblem(email);
    if (problem)
      items.push({ pointer, code: 'address_invalid', detail: `The address ${problem}.` });
    if (name !== undefined && hasControlCharacter(name))
      items.push({
        pointer,
        code: 'address_invalid',
        detail: 'The name holds a line break or control character.',
      });
  };
  check('/from', input.from);
  input.replyTo.forEach((address, index) => check(`/replyTo/${index}`, address));
  const seen = new Map<string, string>();
  let count = 0;
  for (const field of ['to', 'cc', 'bcc'] as const)
    input[field].forEach((address, index) => {
      const pointer = `/${field}/${index}`;
      check(pointer, address);
      const earlier = seen.get(addressKey(address.email));
      if (earlier)
        items.push({
          pointer,
          code: 'address_duplicate',
          detail: `The same address stands at ${earlier}; a message goes to each address once.`,
        });
      seen.set(addressKey(address.email), pointer);
      count += 1;
    });
  if (input.to.length === 0)
    items.push({
      pointer: '/to',
      code: 'required',
      detail: 'Name at least one recipient in "to".',
    });
  if (count > MAX_RECIPIENTS)
    items.push({
      pointer: '/to',
      code: 'too_many_recipients',
      detail: `${count} recipients; at most ${MAX_RECIPIENTS} over to, cc and bcc. Send several messages.`,
    });
  return items;
}

function contentProblems(input: AcceptMessageInput): ErrorItem[] {
  const inline = (['subject', 'preheader', 'html', 'text'] as const).filter(
    (part) => input[part] !== undefined,
  );
  if (input.template) {
    const { key, id } = input.template;
    return [
      ...inline.map((part) => ({
        pointer: `/${part}`,
        code: 'conflict',
        detail: `"${part}" comes from the template. Leave out one of the two.`,
      })),
      ...((key === undefined) === (id === undefined)
        ? [
            {
              pointer: '/template',
              code: 'required',
              detail: 'Name the template by "key" or by "id", not both.',
            },
          ]
        : []),
    ];
  }
  const items: ErrorItem[] = [];
  if (input.subject === undefined)
    items.push({ pointer: '/subject', code: 'required', detail: 'Give a subject, or a template.' });
  if (input.html === undefined && input.text === undefined)
    items.push({
      pointer: '/html',
      code: 'required',
      detail: 'Give html, text or both, or a template.',
    });
  return items;
}

function headerProblems(input: AcceptMessageInput): ErrorItem[] {
  return Object.entries(input.headers).flatMap(([name, value]) => {
    const problem = headerProblem(name, value);
    const pointer = `/headers/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return problem
      ? [
          {
            pointer,
            code: 'header_forbidden',
            detail: `The header ${JSON.stringify(name)} ${problem}.`,
          },
        ]
      : [];
  });
}

function timeProblems({ scheduledAt, expiresAt }: AcceptMessageInput, now: Date): ErrorItem[] {
  if (expiresAt === undefined) return [];
  if (expiresAt <= now)
    return [
      {
        pointer: '/expiresAt',
        code: 'in_the_past',
        detail: 'expiresAt is over already; nothing would be sent.',
      },
    ];
  if (scheduledAt !== undefined && expiresAt <= scheduledAt)
    return [
      {
        pointer: '/expiresAt',
        code: 'before_scheduled',
        detail: 'expiresAt is before scheduledAt; nothing would be sent.',
      },
    ];
  return [];
}

function attachmentProblems({ attachments }: AcceptMessageInput): ErrorItem[] {
  const items: ErrorItem[] = [];
  let bytes = 0;
  attachments.forEach((attachment, index) => {
    const pointer = `/attachments/${index}`;
    bytes += Math.floor((attachment.content.length * 3) / 4);
    // A name is for people; a path in it could reach a file on the reader's machine.
    if (
      /[/\\]/.test(attachment.filename) ||
      hasControlCharacter(attachment.filename) ||
      /^\.+$/.test(attachment.filename)
    )
      items.push({
        pointer: `${pointer}/filename`,
        code: 'filename_invalid',
        detail: 'Use a plain file name, without a path.',
      });
    if (!/^[\w.+-]+\/[\w.+-]+$/.test(attachment.contentType))
      items.push({
        pointer: `${pointer}/contentType`,
        code: 'content_type_invalid',
        detail: 'Use type/subtype, such as application/pdf.',
      });
    if (attachment.contentId !== undefined && !/^[\w.@+-]{1,120}$/.test(attachment.contentId))
      items.push({
        pointer: `${pointer}/contentId`,
        code: 'content_id_invalid',
        detail: 'Use letters, digits and . @ + - _.',
      });
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(attachment.content) || attachment.content.length % 4 !== 0)
      items.push({
        pointer: `${pointer}/content`,
        code: 'base64_invalid',
        detail: 'The content must be base64 without line breaks.',
      });
  });
  if (bytes > MAX_ATTACHMENT_BYTES)
    throw new PlatformError(
      'too_large',
      `Attachments are ${Math.ceil(bytes / 1048576)} MB; at most 25 MB in all.`,
      {
        errors: [
          {
            pointer: '/attachments',
            code: 'too_large',
            detail: 'At most 25 MB in all. Link to large files instead.',
          },
        ],
      },
    );
  return items;
}

/** The sender's domain must be one of the tenant's. */
export async function findFromDomainProblem(
  em: EntityManager,
  input: AcceptMessageInput,
): Promise<ErrorItem | undefined> {
  const domains = await em.findAll(SendingDomain, { orderBy: { domain: 'asc' } });
  const allowed = domains.map(({ domain }) => domain);
  if (allowed.includes(domainOf(input.from.email))) return undefined;
  return {
    pointer: '/from',
    code: 'from_domain_not_allowed',
    detail:
      allowed.length === 0
        ? 'This tenant has no sending domain yet. Add one with POST /v1/sending-domains.'
        : `Send from one of: ${allowed.join(', ')}. Others are added with POST /v1/sending-domains.`,
    allowed,
  };
}
