import { withDeadline } from '../deadline.ts';
import type { CallOptions, CallResult, OutgoingMessage } from '../provider.ts';
import { providerWords } from '../provider-words.ts';
import { recipientsOf, sameForAll, type Verdict } from '../recipients.ts';
import { readFailure, readRecipientRefusal } from './errors.ts';
import { GatedStream } from './gated-stream.ts';
import { buildMime, messageIdOf, toWireAddress } from '../mime.ts';
import { deliver, type Envelope, type SmtpAccount } from './pool.ts';
import { findInsecurity } from './settings.ts';

/** One SMTP transaction. It succeeds when the server took at least one recipient; the others are refused by name. */
export async function send(
  account: SmtpAccount,
  message: OutgoingMessage,
  { timeoutMs, beforeWrite }: CallOptions,
): Promise<CallResult> {
  const insecurity = findInsecurity(account.credentials, account.settings);
  if (insecurity)
    return sameForAll(message, {
      outcome: { kind: 'refused', class: 'account' },
      words: insecurity,
    });
  return withDeadline(timeoutMs, async (signal) => {
    const content = await buildMime(message);
    const stream = new GatedStream(content, beforeWrite);
    const envelope = toEnvelope(message, content.length);
    const messageId = messageIdOf(message);
    try {
      const { response } = await deliver(account, { messageId, envelope, stream, signal });
      const accepted: Verdict = {
        outcome: { kind: 'accepted' },
        code: response.slice(0, 3),
        words: providerWords(response),
      };
      return {
        ...toResult(message, envelope, accepted),
        providerMessageId: messageId.slice(1, -1),
      };
    } catch (error) {
      const { endWasRead, wasStopped } = stream;
      const progress = { endWasRead, wasStopped, timeoutMs, from: message.from.email };
      return toResult(message, envelope, readFailure(error, progress));
    }
  });
}

function toEnvelope(message: OutgoingMessage, size: number): Envelope {
  const to = recipientsOf(message).map(({ email }) => toWireAddress(email));
  return { from: toWireAddress(message.from.email), to: [...new Set(to)], size };
}

/** The verdict for everybody but those whom the server refused by name. */
function toResult(message: OutgoingMessage, envelope: Envelope, verdict: Verdict): CallResult {
  const refused = new Map(
    (envelope.rejectedErrors ?? []).map(({ recipient, response }) => [recipient, response]),
  );
  const { recipients, ...call } = sameForAll(message, verdict);
  return {
    ...call,
    recipients: recipients.map((recipient) => {
      const address = toWireAddress(recipient.email);
      if (!refused.has(address)) return recipient;
      return {
        email: recipient.email,
        ...readRecipientRefusal(refused.get(address), message.from.email),
      };
    }),
  };
}
