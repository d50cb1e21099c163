import { accountOfKey } from '../../account.ts';
import type { IncomingCall, IncomingMail, MailView } from '../../call.ts';
import type { EmailObject, MailSend, Personalization } from './mail-send.ts';

const MAX_SHOWN_CHARACTERS = 256 * 1024;

/** A valid request as one mail per personalization: their recipients do not see each other. */
export function toCall(mail: MailSend, apiKey: string): IncomingCall {
  const shown = toShown(mail);
  const mails = mail.personalizations.map((one) => toMail(shown, one));
  return {
    provider: 'sendgrid',
    account: accountOfKey(apiKey),
    // One request is one call of the platform, however many mails it has.
    callId: mails[0]?.args.ep_call ?? null,
    from: mail.from.email,
    mails,
  };
}

/** The request as the inbox keeps it: long texts cut, attachments without their bytes. */
interface Shown extends Pick<MailSend, 'from' | 'reply_to' | 'subject' | 'template_id'> {
  content: { type: string; value: string }[];
  headers: Record<string, string>;
  categories: string[];
  custom_args: Record<string, string>;
  attachments: MailView['attachments'];
  keptBytes: number;
}

function toShown(mail: MailSend): Shown {
  const { from, reply_to, subject, template_id, headers = {}, categories = [] } = mail;
  const content = (mail.content ?? []).map(({ type, value }) => ({ type, value: cut(value) }));
  const attachments = (mail.attachments ?? []).map((one) => ({
    filename: one.filename,
    contentType: one.type ?? 'application/octet-stream',
    sizeBytes: Buffer.byteLength(one.content, 'base64'),
  }));
  return {
    ...{ from, reply_to, subject, template_id, headers, categories, content, attachments },
    custom_args: mail.custom_args ?? {},
    keptBytes: 1_000 + content.reduce((sum, { value }) => sum + value.length, 0),
  };
}

function cut(text: string): string {
  if (text.length <= MAX_SHOWN_CHARACTERS) return text;
  // Through bytes: a slice of a string holds on to the whole of it.
  return Buffer.from(text.slice(0, MAX_SHOWN_CHARACTERS)).toString();
}

function toMail(mail: Shown, personalization: Personalization): IncomingMail {
  const { to, cc = [], bcc = [], substitutions } = personalization;
  const args = { ...mail.custom_args, ...personalization.custom_args };
  return {
    messageId: args.ep_message ?? null,
    recipients: [...to, ...cc, ...bcc].map(({ email }) => email),
    subject: substitute(personalization.subject ?? mail.subject ?? '', substitutions),
    args,
    categories: mail.categories,
    keptBytes: mail.keptBytes,
    view: () => toView(mail, personalization),
  };
}

function toView(mail: Shown, personalization: Personalization): MailView {
  const { to, cc = [], bcc = [], substitutions } = personalization;
  const part = (type: string) => mail.content.find((block) => block.type === type)?.value;
  const [html, text] = [part('text/html'), part('text/plain')];
  return {
    from: display(personalization.from ?? mail.from),
    to: to.map(display),
    cc: cc.map(display),
    bcc: bcc.map(display),
    subject: substitute(personalization.subject ?? mail.subject ?? '', substitutions),
    ...(html !== undefined && { html: substitute(html, substitutions) }),
    ...(text !== undefined && { text: substitute(text, substitutions) }),
    headers: { ...mail.headers, ...personalization.headers },
    attachments: mail.attachments,
    source: toSource(mail, personalization),
  };
}

/** The request with this personalization only. */
function toSource(mail: Shown, personalization: Personalization): string {
  const request: Record<string, unknown> = { personalizations: [personalization], ...mail };
  delete request.keptBytes;
  return JSON.stringify(request, null, 2);
}

// Legacy substitutions: every tag is a text of its own, replaced wherever it stands.
function substitute(text: string, substitutions: Record<string, string> = {}): string {
  let result = text;
  for (const [tag, value] of Object.entries(substitutions))
    result = result.replaceAll(tag, () => value);
  return result;
}

function display({ email, name }: EmailObject): string {
  return name === undefined || name === '' ? email : `${name} <${email}>`;
}
