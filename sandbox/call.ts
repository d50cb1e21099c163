/** What a pretend provider was asked, in words that all of them share. */
export interface IncomingCall {
  provider: string;
  /** Who called: SMTP user, or the hash of an API key ({@link accountOfKey}). */
  account: string;
  /** The platform's id of this provider call, where the request carries one. */
  callId: string | null;
  /** Address of the sender. */
  from: string;
  mails: IncomingMail[];
}

/** One mail: what one set of recipients sees. */
export interface IncomingMail {
  /** The platform's `msg_…`, where the request carries one. */
  messageId: string | null;
  /** Bare addresses of everyone who gets it. */
  recipients: string[];
  subject: string;
  /** The sender's own data that comes back in events. */
  args: Record<string, string>;
  categories: string[];
  /** About what `view` holds on to. */
  keptBytes: number;
  /** How the inbox page shows it; called only when somebody looks. */
  view: () => MailView | Promise<MailView>;
}

export interface MailView {
  from: string;
  to: string[];
  cc: string[];
  bcc: string[];
  subject: string;
  html?: string;
  text?: string;
  headers: Record<string, string>;
  attachments: { filename: string; contentType: string; sizeBytes: number }[];
  /** As it was handed in, possibly cut. */
  source: string;
}
