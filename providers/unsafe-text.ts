import { recipientsOf } from './recipients.ts';
import type { Address, OutgoingMessage } from './provider.ts';

// Control characters and the line breaks of Unicode. A tab is harmless inside a header, where folding uses it.
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/;
// RFC 2047: our encoder leaves it as it is, and the reader's mail program decodes it into something else.
const ENCODED_WORD = /=\?[^?\s]+\?[bq]\?[^?\s]*\?=/i;
const HEADER_NAME = /^[!-9;-~]+$/; // RFC 5322: printable ASCII without the colon
const NOT_IN_ADDRESS = /[\s<>,;"()[\]\\]|^@|@$|@.*@|^[^@]*$/;
const CONTENT_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w-]+=(?:[\w!#$&^.+-]+|"[^"\\]*"))*$/;
const CONTENT_ID = /^[\w.+@-]+$/;

/**
 * The first text that could become another header, recipient or part once it is written into a mail: a sentence that
 * names the field. Undefined when there is none.
 */
export function findUnsafeText(message: OutgoingMessage): string | undefined {
  return (
    findInAddresses(message) ??
    findInHeaders(message) ??
    findInAttachments(message) ??
    message.tags.map((tag) => unsafeLine('tags', tag)).find(Boolean)
  );
}

function findInAddresses(message: OutgoingMessage): string | undefined {
  const { from, replyTo } = message;
  const all: [string, Address][] = [
    ['from', from],
    ...replyTo.map((address): [string, Address] => ['replyTo', address]),
    ...recipientsOf(message).map((address): [string, Address] => ['recipients', address]),
  ];
  for (const [field, { email, name }] of all) {
    if (CONTROL.test(email) || NOT_IN_ADDRESS.test(email))
      return `${field}: an address has a character that mail cannot carry; write it as name@domain.`;
    const problem = name === undefined ? undefined : unsafeLine(`${field}.name`, name);
    if (problem) return problem;
  }
  return undefined;
}

function findInHeaders({ subject, headers }: OutgoingMessage): string | undefined {
  const problem = unsafeLine('subject', subject);
  if (problem) return problem;
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name))
      return 'headers: a header name may only have printable ASCII characters, and no colon.';
    const problem = unsafeLine(`headers.${name}`, value);
    if (problem) return problem;
  }
  return undefined;
}

function findInAttachments({ attachments }: OutgoingMessage): string | undefined {
  for (const { filename, contentType, contentId } of attachments) {
    const problem = unsafeLine('attachments.filename', filename);
    if (problem) return problem;
    if (/[/\\]/.test(filename)) return 'attachments.filename: a name, not a path; remove / and \\.';
    if (!CONTENT_TYPE.test(contentType))
      return 'attachments.contentType: must be a media type like application/pdf.';
    if (contentId !== undefined && !CONTENT_ID.test(contentId))
      return 'attachments.contentId: only letters, digits and . _ - + @ are allowed.';
  }
  return undefined;
}

function unsafeLine(field: string, text: string): string | undefined {
  if (CONTROL.test(text))
    return `${field}: line breaks and control characters are not allowed; remove them.`;
  if (ENCODED_WORD.test(text))
    return `${field}: encoded words (=?…?=) are not allowed; write the text in UTF-8.`;
  return undefined;
}
