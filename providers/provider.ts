import type { z } from 'zod';
import type { Outcome } from '../domain/outcome.ts';
import type { BounceKind, EventReason, EventType } from '../domain/delivery-event.ts';

export interface Address {
  email: string;
  name?: string;
}

export interface Attachment {
  filename: string;
  contentType: string;
  content: Buffer;
  /** Set: shown inside the HTML as `cid:`; absent: a file to download. */
  contentId?: string;
}

/** A rendered message on its way to one provider call. Every listed recipient is attempted by this call. */
export interface OutgoingMessage {
  /** The platform's id of this provider call; comes back in events as `ep_call`. */
  callId: string;
  tenantId: string;
  /** `msg_…` */
  messageId: string;
  attempt: number;
  from: Address;
  replyTo: Address[];
  to: Address[];
  cc: Address[];
  bcc: Address[];
  subject: string;
  html?: string;
  text?: string;
  /** Customer headers, already checked for forbidden names and line breaks. */
  headers: Record<string, string>;
  tags: string[];
  attachments: Attachment[];
  tracking: { opens: boolean; clicks: boolean };
}

export interface ProviderAccount<Credentials = unknown, Settings = unknown> {
  id: string;
  mode: 'live' | 'test';
  credentials: Credentials;
  settings: Settings;
}

export interface RecipientOutcome {
  /** As given in the message; compare case-insensitively. */
  email: string;
  outcome: Outcome;
  /** The provider's code and words, kept as they were. */
  code?: string;
  words?: string;
}

export interface CallResult {
  recipients: RecipientOutcome[];
  providerMessageId?: string;
  code?: string;
  words?: string;
}

export interface CallOptions {
  /** Total time for the whole call, connecting included. */
  timeoutMs: number;
  /**
   * Called once or more, as late as the transport allows before the request can take effect. It throws
   * `NotCalledError` when the claim's time to call is over; the adapter must then write nothing more and answer
   * `refused: not_called`.
   */
  beforeWrite: () => void;
}

/** Thrown by `beforeWrite`: the time in which this call was allowed is over. */
export class NotCalledError extends Error {
  override readonly name = 'NotCalledError';
}

export interface CheckResult {
  ok: boolean;
  detail: string;
}

/** One event about one recipient, in our words. */
export interface ProviderEvent {
  type: EventType;
  /** The provider's own time. */
  at: Date;
  /** The provider's id of the event, or the fields it names where it has none; same on every delivery. */
  dedupeKey: string;
  /** Empty when the event names nobody. */
  email?: string;
  /** Our call id, where the provider gave it back. */
  callId?: string;
  providerMessageId?: string;
  bounceKind?: BounceKind;
  reason?: EventReason;
  /** The provider's words: diagnostic text, response. */
  description?: string;
  machine?: boolean;
  url?: string;
  userAgent?: string;
  ip?: string;
  raw: unknown;
}

export interface WebhookRequest {
  body: Buffer;
  headers: Record<string, string | string[] | undefined>;
}

export interface ProviderWebhook<Secrets = unknown> {
  secretsSchema: z.ZodType<Secrets>;
  /**
   * Over the raw bytes, in constant time; false for anything malformed. Throws only `unavailable`, when what it takes
   * to tell cannot be had now: the provider shall post again.
   */
  verify: (request: WebhookRequest, secrets: Secrets) => boolean | Promise<boolean>;
  /**
   * For a verified post that asks for something instead of telling of events, such as the confirmation of a
   * subscription: does it. False for every other post. Throws `unavailable` when it failed and is worth another post.
   */
  answerHandshake?: (request: WebhookRequest, timeoutMs: number) => Promise<boolean>;
  /** What the provider posted, one event per recipient. Throws only when the body cannot be parsed at all. */
  parse: (body: Buffer) => ProviderEvent[];
  /** HTTP statuses for this provider (`providers.md` 10.1). */
  answers: { stored: number; notAuthentic: number; unavailable: number };
}

export interface DnsRecord {
  type: 'TXT' | 'CNAME' | 'MX';
  /** Full name, lower case, no final dot. */
  name: string;
  value: string;
  purpose: 'dkim' | 'spf' | 'return_path' | 'tracking' | 'ownership' | 'other';
}

/** What a provider says of a sending domain of one account. */
export type DomainAtProvider =
  | { state: 'verified' | 'pending'; records: DnsRecord[] }
  /** It has to be added at the provider first. */
  | { state: 'unknown_to_provider'; detail: string }
  /** It could not be asked. */
  | { state: 'unavailable'; detail: string };

export interface SandboxPlace {
  httpUrl: string;
  /** host:port */
  smtpAddress: string;
  /** Tells this account's mail from that of others. */
  name: string;
}

export interface SandboxAccount<Credentials, Settings, Secrets> {
  credentials: Credentials;
  settings: Settings;
  /** How the sandbox reports this account's events; absent where it reports none. */
  webhook?: {
    /** The account as the sandbox sees it. */
    account: string;
    /** From the keys that the sandbox answers when it is told where to post. */
    secrets: (keys: Record<string, string>) => Secrets;
  };
}

/** What a mail provider is to the platform: one folder under `providers/`, one row in `providers/index.ts`. */
export interface Provider<Credentials = unknown, Settings = unknown, Secrets = unknown> {
  kind: string;
  credentialsSchema: z.ZodType<Credentials>;
  settingsSchema: z.ZodType<Settings>;
  /** Which delivery events an account reports when nothing else is set. */
  deliveryEvents: 'full' | 'partial' | 'none';
  /** `host:port` that the account's settings lead to, and whether it is the provider's own. */
  endpoint: (settings: Settings) => { host: string; port: number; isOwn: boolean };
  /** What this provider cannot express; refused before anything is claimed. */
  findUnsupported: (message: OutgoingMessage) => string | undefined;
  /** One call. Never throws for what the provider or the network did: that is an outcome. */
  send: (
    account: ProviderAccount<Credentials, Settings>,
    message: OutgoingMessage,
    options: CallOptions,
  ) => Promise<CallResult>;
  /** Are the credentials good? Sends nothing. */
  check: (
    account: ProviderAccount<Credentials, Settings>,
    timeoutMs: number,
  ) => Promise<CheckResult>;
  /** The DNS records that the account's provider wants for a domain. Absent: its API tells of none. */
  describeDomain?: (
    account: ProviderAccount<Credentials, Settings>,
    domain: string,
    timeoutMs: number,
  ) => Promise<DomainAtProvider>;
  webhook?: ProviderWebhook<Secrets>;
  /** An account at the sandbox, for demo tenants and test keys. */
  sandboxAccount: (sandbox: SandboxPlace) => SandboxAccount<Credentials, Settings, Secrets>;
  /** Closes idle connections now and busy ones after their call; a later call opens new ones. */
  close: () => void;
}
