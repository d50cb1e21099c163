import { z } from 'zod';
import type { ErrorClass, Outcome } from '../../domain/outcome.ts';
import { providerWords } from '../provider-words.ts';
import type { Verdict } from '../recipients.ts';

type RefusedClass = Exclude<ErrorClass, 'ambiguous'>;

/** Which command a reply answers. */
type Step = 'greeting' | 'auth' | 'from' | 'recipient' | 'data';

interface ReplyRow {
  code: RegExp;
  enhanced?: RegExp;
  text?: RegExp;
  step?: readonly Step[];
  /** The reply says that the server does not like us, rather than this message or recipient. */
  isAboutUs?: true;
  class: RefusedClass;
}

/** RFC 5321 and RFC 3463; the first row that fits. */
const replyRows: readonly ReplyRow[] = [
  { code: /^421/, step: ['greeting'], class: 'rate' },
  { code: /^4/, enhanced: /^4\.(?:2\.2|5\.3)$/, class: 'transient' }, // mailbox full, too many recipients
  { code: /^4/, text: /throttl|\brate\b|\blimit|too many/i, class: 'rate' },
  { code: /^4/, class: 'transient' },
  { code: /^53[045]/, class: 'account' },
  { code: /^5/, step: ['greeting', 'auth'], class: 'account' },
  { code: /^552/, class: 'message' }, // too large, or over quota
  { code: /^5/, step: ['from'], class: 'account' }, // the sender is not ours here
  { code: /^55[04]/, enhanced: /^(?:5\.7\.\d+)?$/, isAboutUs: true, class: 'account' },
  { code: /^5/, class: 'message' },
];

const REPLY = /^(\d{3})(?:[ -](\d\.\d{1,3}\.\d{1,3}))?/;
const ABOUT_US =
  /\b(?:ip|client host|sender|your domain|spf|dkim|dmarc|reputation|relay\w*|(?:block|black|deny)[ -]?list\w*|rbl|spamhaus)\b/i;

/** What a server's refusal means, code and words as they were. `from` is our sender's address. */
function readReply(reply: string, step: Step, from: string): Verdict {
  const [, code = '', enhanced = ''] = REPLY.exec(reply) ?? [];
  const row = replyRows.find(
    (candidate) =>
      candidate.code.test(code) &&
      (candidate.enhanced?.test(enhanced) ?? true) &&
      (candidate.text?.test(reply) ?? true) &&
      (candidate.step?.includes(step) ?? true) &&
      (!candidate.isAboutUs || namesUs(reply, from)),
  );
  return {
    outcome: { kind: 'refused', class: row?.class ?? 'transient' },
    code: enhanced === '' ? code : `${code} ${enhanced}`,
    words: providerWords(reply),
  };
}

function namesUs(reply: string, from: string): boolean {
  const domain = from.slice(from.lastIndexOf('@') + 1).toLowerCase();
  return ABOUT_US.test(reply) || reply.toLowerCase().includes(domain);
}

/** The server refused this recipient and went on with the others. */
export function readRecipientRefusal(reply: string | undefined, from: string): Verdict {
  return readReply(reply ?? '', 'recipient', from);
}

const errorSchema = z.object({
  code: z.string().catch('ESMTP'),
  originalCode: z.string().optional().catch(undefined),
  command: z.string().catch(''),
  response: z.string().optional().catch(undefined),
  message: z.string().catch(''),
});
type SmtpError = z.infer<typeof errorSchema>;

/** How far the message had come when the call failed. */
export interface Progress {
  endWasRead: boolean;
  wasStopped: boolean;
  timeoutMs: number;
  /** Our sender's address. */
  from: string;
}

/** What a failed call means for everybody whom the server had not refused by name before. */
export function readFailure(failure: unknown, progress: Progress): Verdict {
  const error = errorSchema.parse(failure instanceof Error ? failure : {});
  if (progress.wasStopped) return { outcome: { kind: 'refused', class: 'not_called' } };
  if (isTlsFailure(error))
    return { outcome: { kind: 'refused', class: 'account' }, ...wordsOf(error, progress) };
  // A reply that came with the end of the connection may not be the one to our message.
  const isAnswered = error.response !== undefined && error.code !== 'ECONNECTION';
  if (isAnswered || (error.response !== undefined && !progress.endWasRead))
    return readReply(error.response ?? '', stepOf(error), progress.from);
  return { outcome: outcomeWithoutReply(error, progress), ...wordsOf(error, progress) };
}

function stepOf({ command }: SmtpError): Step {
  if (command.startsWith('AUTH')) return 'auth';
  if (command === 'MAIL FROM') return 'from';
  if (command === 'RCPT TO') return 'recipient';
  return command === 'DATA' ? 'data' : 'greeting';
}

function outcomeWithoutReply(error: SmtpError, { endWasRead }: Progress): Outcome {
  if (endWasRead) return { kind: 'unknown', class: 'ambiguous' };
  if (error.code === 'EAUTH') return { kind: 'refused', class: 'account' };
  // nodemailer refused it itself: an address that cannot be written, or more than the server's SIZE.
  if (error.code === 'EENVELOPE' || error.code === 'EMESSAGE')
    return { kind: 'refused', class: 'message' };
  return { kind: 'refused', class: 'transient' };
}

/** On a connection with TLS from the start such failures come as ESOCKET, with the code of OpenSSL or Node. */
function isTlsFailure({ code, originalCode = '' }: SmtpError): boolean {
  return code === 'ETLS' || /^(?:ERR_SSL|ERR_TLS|EPROTO)|CERT|SIGNATURE|ISSUER/.test(originalCode);
}

function wordsOf(error: SmtpError, { timeoutMs }: Progress): Pick<Verdict, 'code' | 'words'> {
  if (error.code === 'EABORT')
    return { code: 'ETIMEDOUT', words: `No full answer within ${timeoutMs} ms.` };
  return {
    code: error.originalCode ?? error.code,
    ...(error.message === '' ? {} : { words: providerWords(error.message) }),
  };
}
