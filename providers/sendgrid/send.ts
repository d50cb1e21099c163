import { MailService, type MailDataRequired } from '@sendgrid/mail';
import { z } from 'zod';
import { withDeadline } from '../deadline.ts';
import type { Attachment, CallOptions, CallResult, OutgoingMessage } from '../provider.ts';
import { providerWords } from '../provider-words.ts';
import { sameForAll } from '../recipients.ts';
import { clientFor, type Call, type SendGridAccount } from './client.ts';
import { readFailure } from './errors.ts';

const answerSchema = z.object({
  statusCode: z.number(),
  headers: z.object({ 'x-message-id': z.string().optional() }),
});

/** POST /v3/mail/send, once: the SDK does not retry. */
export async function send(
  account: SendGridAccount,
  message: OutgoingMessage,
  { timeoutMs, beforeWrite }: CallOptions,
): Promise<CallResult> {
  return withDeadline(timeoutMs, async (signal) => {
    const call: Call = { phase: 'building', signal, beforeWrite };
    try {
      const mail = new MailService();
      mail.setClient(clientFor(account, call));
      const [answer] = await mail.send(toMailData(message));
      return readAnswer(message, answer);
    } catch (error) {
      return sameForAll(message, readFailure(error, call.phase, timeoutMs));
    }
  });
}

function readAnswer(message: OutgoingMessage, answer: unknown): CallResult {
  const { statusCode, headers } = answerSchema.parse(answer);
  const id = headers['x-message-id'];
  const code = String(statusCode);
  // Acceptance is 202 (and names the message); another 2xx comes from something else on the way, or from a test mode.
  if (statusCode !== 202 && id === undefined)
    return sameForAll(message, { outcome: { kind: 'unknown', class: 'ambiguous' }, code });
  return {
    ...sameForAll(message, { outcome: { kind: 'accepted' }, code }),
    ...(id === undefined ? {} : { providerMessageId: providerWords(id) }),
  };
}

function toMailData(message: OutgoingMessage): MailDataRequired {
  const { replyTo, tracking, text, html } = message;
  return {
    // One personalization is one mail: its recipients see each other as To and Cc say.
    personalizations: [
      {
        to: message.to,
        ...(message.cc.length > 0 ? { cc: message.cc } : {}),
        ...(message.bcc.length > 0 ? { bcc: message.bcc } : {}),
        // Here and not on the mail: what stands there the SDK also sends as headers of its HTTP request.
        headers: message.headers,
        customArgs: {
          ep_call: message.callId,
          ep_message: message.messageId,
          ep_tenant: message.tenantId,
          ep_attempt: String(message.attempt),
        },
      },
    ],
    from: message.from,
    ...(replyTo.length > 1 ? { replyToList: replyTo } : { replyTo: replyTo[0] }),
    subject: message.subject,
    content: [
      // SendGrid wants text before HTML.
      ...(text === undefined ? [] : [{ type: 'text/plain', value: text }]),
      ...(html === undefined ? [] : [{ type: 'text/html', value: html }]),
    ] as MailDataRequired['content'] & { 0: { type: string; value: string } }, // findUnsupported asks for one
    attachments: message.attachments.map(toAttachment),
    categories: [...new Set(message.tags)],
    trackingSettings: {
      clickTracking: { enable: tracking.clicks, enableText: tracking.clicks },
      openTracking: { enable: tracking.opens },
    },
  };
}

function toAttachment({ filename, contentType, content, contentId }: Attachment) {
  return {
    content: content.toString('base64'),
    filename,
    type: contentType,
    disposition: contentId === undefined ? 'attachment' : 'inline',
    // The wire name: the SDK's own contentId goes out as it is written, and SendGrid does not know that one.
    ...(contentId === undefined ? {} : { content_id: contentId }),
  };
}
