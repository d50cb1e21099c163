import SMTPConnection from 'nodemailer/lib/smtp-connection';
import SMTPPool from 'nodemailer/lib/smtp-pool';
import { AccountCache } from '../account-cache.ts';
import type { ProviderAccount } from '../provider.ts';
import type { GatedStream } from './gated-stream.ts';
import type { SmtpCredentials, SmtpSettings } from './settings.ts';

const MAX_ACCOUNTS = 500;

export type SmtpAccount = ProviderAccount<SmtpCredentials, SmtpSettings>;

/** A refusal of one recipient, as nodemailer notes it. */
interface RejectedRecipient {
  recipient?: string;
  response?: string;
}

/** Who gets the mail. nodemailer notes here whom the server refused, also when the call fails later. */
export interface Envelope {
  from: string;
  to: string[];
  size: number;
  rejectedErrors?: RejectedRecipient[];
}

export interface Delivery {
  messageId: string;
  envelope: Envelope;
  stream: GatedStream;
  signal: AbortSignal;
}

const pools = new AccountCache<SMTPPool, SmtpCredentials, SmtpSettings>({
  max: MAX_ACCOUNTS,
  create: (account) =>
    new SMTPPool({
      ...connectionOptions(account),
      maxConnections: 10,
      maxMessages: 1000,
      maxRequeues: 0, // nodemailer would send a message again whose connection closed
      idleTimeout: 20_000,
    }),
  close: (pool) => {
    pool.close();
  },
});

export function closePools(): void {
  pools.closeAll();
}

/** One message over one of the account's connections; the server's answer, or nodemailer's error. */
export function deliver(account: SmtpAccount, delivery: Delivery): Promise<{ response: string }> {
  const { messageId, envelope, stream, signal } = delivery;
  // What a transport uses of a mail. nodemailer's own mail would read the whole message into a buffer before the
  // server has accepted anybody, and its end would say nothing.
  const mail = {
    data: { signal },
    message: {
      getEnvelope: () => envelope,
      messageId: () => messageId,
      getHeader: () => messageId,
      createReadStream: () => stream,
    },
  } as unknown as Parameters<SMTPPool['send']>[0];
  return new Promise((resolve, reject) => {
    pools.get(account).send(mail, (error, info) => {
      if (error) reject(error);
      else resolve({ response: info?.response ?? '' });
    });
  });
}

/** Connects, logs in and says goodbye; nodemailer's error when that fails. */
export function verifyLogin(account: SmtpAccount, signal: AbortSignal): Promise<void> {
  const connection = new SMTPConnection(connectionOptions(account));
  const { user, pass } = account.credentials;
  return new Promise<void>((resolve, reject) => {
    const settle = (error?: Error | null) => {
      if (error) reject(error);
      else resolve();
    };
    signal.addEventListener('abort', () => {
      settle(new Error('The server did not answer in time.'));
    });
    connection.once('error', settle);
    connection.once('end', () => {
      settle(new Error('The server closed the connection.'));
    });
    connection.connect((error) => {
      if (error || user === '') settle(error);
      else connection.login({ user, credentials: { user, pass } }, settle);
    });
  }).finally(() => {
    connection.close();
  });
}

/** Times are per step, for what the deadline of a call does not see; nodemailer's own would be minutes. */
function connectionOptions({ credentials, settings }: SmtpAccount) {
  const { user, pass } = credentials;
  return {
    host: settings.host,
    port: settings.port,
    secure: settings.secure === true,
    requireTLS: settings.secure === 'starttls',
    ignoreTLS: settings.secure === false,
    ...(user === '' ? {} : { auth: { user, pass } }),
    dnsTimeout: 5_000,
    connectionTimeout: 5_000, // up to the greeting, and STARTTLS
    socketTimeout: 30_000,
    socketCloseTimeout: 0, // a call that was given up must not write what is still buffered
    maxResponseSize: 64 * 1024,
    tls: { minVersion: 'TLSv1.2' as const },
  };
}
