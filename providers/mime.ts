import { domainToASCII } from 'node:url';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Address, OutgoingMessage } from './provider.ts';

/** `<call_…@the sender's domain>`: the same on every try of one call, so that a receiver can drop the second. */
export function messageIdOf({ callId, from }: OutgoingMessage): string {
  return `<${callId}@${toWireAddress(from.email).split('@')[1] ?? 'localhost'}>`;
}

/** As it goes into the envelope: the domain in ASCII. */
export function toWireAddress(email: string): string {
  const at = email.lastIndexOf('@');
  const domain = email.slice(at + 1);
  return `${email.slice(0, at + 1)}${domainToASCII(domain) || domain}`;
}

/** The whole mail, RFC 5322. Blind copies stand in the envelope only. */
export function buildMime(message: OutgoingMessage): Promise<Buffer> {
  return new MailComposer({
    from: toMailbox(message.from),
    to: message.to.map(toMailbox),
    cc: message.cc.map(toMailbox),
    replyTo: message.replyTo.map(toMailbox),
    subject: message.subject,
    messageId: messageIdOf(message),
    headers: { ...message.headers, 'X-EP-Message': message.messageId },
    text: message.text,
    html: message.html,
    attachments: message.attachments.map(({ filename, contentType, content, contentId }) => ({
      filename,
      contentType,
      content,
      ...(contentId === undefined ? {} : { cid: contentId }),
    })),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
}

function toMailbox({ email, name }: Address) {
  return { address: email, name: name ?? '' };
}
