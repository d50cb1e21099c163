import type { Outcome } from '../domain/outcome.ts';
import type { Address, CallResult, OutgoingMessage } from './provider.ts';

/** What one call came to, for all recipients or for one. */
export interface Verdict {
  outcome: Outcome;
  code?: string;
  words?: string;
}

/** Everybody whom the call attempts. */
export function recipientsOf(message: OutgoingMessage): Address[] {
  return [...message.to, ...message.cc, ...message.bcc];
}

export function sameForAll(message: OutgoingMessage, verdict: Verdict): CallResult {
  return {
    recipients: recipientsOf(message).map(({ email }) => ({ email, ...verdict })),
    ...(verdict.code === undefined ? {} : { code: verdict.code }),
    ...(verdict.words === undefined ? {} : { words: verdict.words }),
  };
}
