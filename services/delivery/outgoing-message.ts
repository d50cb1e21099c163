import { toPublicId } from '../../domain/ids.ts';
import type { OutgoingMessage } from '../../providers/provider.ts';
import type { MailParts } from '../../rendering/renderer.ts';
import type { StoredContent, StoredEnvelope } from '../messages/message-input.ts';
import type { TenantHandle } from '../platform.ts';
import { openAddress, type MessageRow, type RecipientRow } from './records.ts';

/** The rendered mail for the given recipients and no others. */
export function outgoingMessage(
  tenant: TenantHandle,
  message: MessageRow,
  content: StoredContent,
  parts: MailParts,
  recipients: Pick<RecipientRow, 'kind' | 'address_enc'>[],
  call: { callId: string; attempt: number },
): OutgoingMessage {
  const envelope = tenant.vault.openJson<StoredEnvelope>('envelope', message.envelope_enc);
  const of = (kind: 't' | 'c' | 'b') =>
    recipients.filter((row) => row.kind === kind).map((row) => openAddress(tenant, row));
  return {
    callId: toPublicId('call', call.callId),
    tenantId: toPublicId('tenant', tenant.id),
    messageId: toPublicId('message', message.id),
    attempt: call.attempt,
    from: envelope.from,
    replyTo: envelope.replyTo,
    to: of('t'),
    cc: of('c'),
    bcc: of('b'),
    subject: parts.subject,
    ...(parts.html !== undefined && { html: withPreheader(parts.html, parts.preheader) }),
    ...(parts.text !== undefined && { text: parts.text }),
    headers: content.headers,
    tags: message.tags,
    attachments: content.attachments.map((attachment) => ({
      filename: attachment.filename,
      contentType: attachment.contentType,
      content: Buffer.from(attachment.content, 'base64'),
      ...(attachment.contentId !== undefined && { contentId: attachment.contentId }),
    })),
    tracking: { opens: message.tracking_opens, clicks: message.tracking_clicks },
  };
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** The line that inboxes show after the subject: first in the body, not visible in the mail itself. */
export function withPreheader(html: string, preheader: string | undefined): string {
  if (preheader === undefined || preheader === '') return html;
  const text = preheader.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);
  const hidden = `<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${text}</div>`;
  const body = /<body[^>]*>/i.exec(html);
  if (!body) return hidden + html;
  const end = body.index + body[0].length;
  return html.slice(0, end) + hidden + html.slice(end);
}
