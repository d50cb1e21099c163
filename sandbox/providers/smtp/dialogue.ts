import { setTimeout as sleep } from 'node:timers/promises';
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import { acceptsMail, type Effect } from '../../effect.ts';
import type { Reception } from '../../provider.ts';
import { tooLarge, toReply, type SmtpReply } from './replies.ts';
import { toCall } from './to-call.ts';

export const MAX_MESSAGE_BYTES = 30 * 1024 * 1024;

/** How one step of a dialogue ends. */
export type Ending =
  | { kind: 'ok'; text?: string }
  | { kind: 'reply'; reply: SmtpReply }
  | { kind: 'cut' }
  | { kind: 'silence' };

/** A step before the data: what a fault script wants, else the server's own refusal, else it goes on. */
export async function endStep(effect: Effect = {}, own?: SmtpReply): Promise<Ending> {
  if (effect.latencyMs !== undefined) await sleep(effect.latencyMs, undefined, { ref: false });
  if (effect.resetBefore === true || effect.resetAfter === true) return { kind: 'cut' };
  if (effect.neverAnswer === true) return { kind: 'silence' };
  const reply = effect.status === undefined ? own : toReply(effect.status, effect);
  return reply === undefined ? { kind: 'ok' } : { kind: 'reply', reply };
}

/** The message after DATA. Rejects when it could not be stored; a message cut short is not one. */
export async function takeMessage(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  reception: Reception,
): Promise<Ending> {
  const raw = await readMessage(stream);
  if (raw === undefined) return { kind: 'silence' };
  if (stream.sizeExceeded) return { kind: 'reply', reply: tooLarge };
  const { mailFrom, rcptTo } = session.envelope;
  const envelope = {
    account: accountOf(session),
    from: mailFrom === false ? '' : mailFrom.address,
    recipients: rcptTo.map(({ address }) => address),
  };
  const end = await reception.receive(toCall(envelope, raw));
  if (end.kind === 'accepted')
    return { kind: 'ok', text: `2.0.0 OK: queued as ${end.providerMessageId}` };
  if (end.kind !== 'refused') return end;
  // RFC 5321 4.2: a 4xx or 5xx says that the mail was not taken. What HTTP can say with a 500 after taking it, SMTP can
  // only do by losing the line.
  if (acceptsMail(end.effect)) return { kind: 'cut' };
  return { kind: 'reply', reply: toReply(end.status, end.effect) };
}

export function accountOf(session: SMTPServerSession): string {
  const user: unknown = session.user;
  return typeof user === 'string' ? user : 'anonymous';
}

/** Undefined when the client left before its final dot. What goes beyond the limit is read and thrown away. */
async function readMessage(stream: SMTPServerDataStream): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= MAX_MESSAGE_BYTES) chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}
