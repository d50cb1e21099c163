import type { Address } from '../../domain/address.ts';
import type { RoutingWish } from '../../domain/routing.ts';

export type Stream = 'transactional' | 'marketing';

export interface AttachmentInput {
  filename: string;
  contentType: string;
  /** base64 */
  content: string;
  contentId?: string | undefined;
}

/** A request for one message, its sugar already normalised. */
export interface AcceptMessageInput {
  from: Address;
  to: Address[];
  cc: Address[];
  bcc: Address[];
  replyTo: Address[];
  subject?: string | undefined;
  preheader?: string | undefined;
  html?: string | undefined;
  text?: string | undefined;
  template?:
    { key?: string | undefined; id?: string | undefined; version?: number | undefined } | undefined;
  variables: Record<string, unknown>;
  locale?: string | undefined;
  attachments: AttachmentInput[];
  headers: Record<string, string>;
  tags: string[];
  metadata: Record<string, string>;
  stream: Stream;
  topic?: string | undefined;
  scheduledAt?: Date | undefined;
  expiresAt?: Date | undefined;
  waitFor?: 'delivery' | 'acceptance' | undefined;
  tracking?: { opens?: boolean | undefined; clicks?: boolean | undefined } | undefined;
  routing?: RoutingWish | undefined;
  onUnknown?: 'leave' | 'resend' | undefined;
}

/** Sealed in `messages.envelope_enc`: what a list shows. */
export interface StoredEnvelope {
  from: Address;
  replyTo: Address[];
  /** As it reads in the mail. */
  subject: string;
}

/** Sealed in `message_contents`: what a rendering needs. Inline source is absent where a template version is pinned. */
export interface StoredContent {
  subject?: string | undefined;
  preheader?: string | undefined;
  html?: string | undefined;
  text?: string | undefined;
  variables: Record<string, unknown>;
  locale?: string | undefined;
  headers: Record<string, string>;
  attachments: AttachmentInput[];
}
