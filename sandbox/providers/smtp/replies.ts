import type { BehaviourName } from '../../behaviours.ts';
import type { Effect } from '../../effect.ts';

/** A reply with the enhanced status code (RFC 3463) at the head of its text. */
export interface SmtpReply {
  code: number;
  text: string;
}

/** At RCPT: a relay that knows its recipients answers at once. Other behaviours show after the data. */
export const recipientReplies: Partial<Record<BehaviourName, SmtpReply>> = {
  bounce: { code: 550, text: '5.1.1 The email account that you tried to reach does not exist' },
  softbounce: { code: 452, text: '4.2.2 The recipient mailbox is over quota' },
  blocked: { code: 550, text: '5.7.1 Message refused by the policy of the receiving domain' },
  drop: { code: 550, text: '5.2.1 The recipient mailbox is disabled' },
  429: { code: 450, text: '4.7.0 Too many messages, slow down' },
  400: { code: 553, text: '5.1.3 The recipient address is not valid' },
  503: { code: 451, text: '4.3.2 System not accepting messages, try again later' },
};

export const unverifiedSender: SmtpReply = {
  code: 550,
  text: '5.7.1 Sender address is not one of this account',
};
export const badLogin: SmtpReply = { code: 535, text: '5.7.8 Authentication credentials invalid' };
export const tooLarge: SmtpReply = { code: 552, text: '5.3.4 Message size exceeds fixed limit' };
export const notStored: SmtpReply = { code: 451, text: '4.3.0 Mail could not be stored' };

// HTTP statuses that fault scripts and behaviours share with the other providers.
const byHttpStatus: Record<number, SmtpReply | undefined> = {
  400: { code: 550, text: '5.6.0 Message refused' },
  401: badLogin,
  403: unverifiedSender,
  413: tooLarge,
  429: { code: 450, text: '4.7.0 Too many messages, slow down' },
  500: { code: 451, text: '4.3.0 Local error in processing' },
  502: { code: 451, text: '4.3.0 Upstream error in processing' },
  503: { code: 421, text: '4.3.2 Service not available, closing transmission channel' },
  504: { code: 451, text: '4.4.1 No answer from upstream' },
};

/** A script's status is a word of HTTP in this table, or an SMTP code as it is. Its `body` is the text. */
export function toReply(status: number, effect: Effect): SmtpReply {
  const known = byHttpStatus[status];
  const fallback = `${Math.floor(status / 100)}.0.0 Refused`;
  return {
    code: known?.code ?? status,
    text: typeof effect.body === 'string' ? effect.body : (known?.text ?? fallback),
  };
}
