import PostalMime, { decodeWords, type Address } from 'postal-mime';
import type { IncomingCall, MailView } from '../../call.ts';

const MAX_KEPT_BYTES = 256 * 1024;
const MAX_HEADER_BYTES = 64 * 1024;

interface Envelope {
  account: string;
  from: string;
  recipients: string[];
}

/** A message as it came after DATA; our ids stand in its headers. */
export function toCall(envelope: Envelope, raw: Buffer): IncomingCall {
  const headers = readHeaders(raw);
  const { account, from, recipients } = envelope;
  // A copy: the bytes kept for the inbox must not hold on to a message of 30 MB.
  const kept = Buffer.from(raw.subarray(0, MAX_KEPT_BYTES));
  return {
    provider: 'smtp',
    account,
    callId: /^<(call_[0-9a-z]+)@/.exec(headers.get('message-id') ?? '')?.[1] ?? null,
    from,
    mails: [
      {
        messageId: headers.get('x-ep-message') ?? null,
        recipients,
        subject: decodeWords(headers.get('subject') ?? ''),
        args: {},
        categories: [],
        keptBytes: kept.length,
        view: () => toView(kept, recipients),
      },
    ],
  };
}

/** Header fields by lower-case name, unfolded (RFC 5322 2.2.3); the first of a name counts. */
function readHeaders(raw: Buffer): Map<string, string> {
  const head = raw.subarray(0, MAX_HEADER_BYTES).toString('utf8');
  const end = head.search(/\r?\n\r?\n/);
  const lines = (end < 0 ? head : head.slice(0, end)).replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

async function toView(raw: Buffer, recipients: string[]): Promise<MailView> {
  const mail = await PostalMime.parse(raw);
  const [to, cc] = [displayAll(mail.to), displayAll(mail.cc)];
  const named = [...to, ...cc].join(' ').toLowerCase();
  return {
    from: displayAll(mail.from && [mail.from])[0] ?? '',
    to,
    cc,
    // Only the envelope knows them.
    bcc: recipients.filter((recipient) => !named.includes(recipient.toLowerCase())),
    subject: mail.subject ?? '',
    ...(mail.html !== undefined && { html: mail.html }),
    ...(mail.text !== undefined && { text: mail.text }),
    headers: Object.fromEntries(mail.headers.map(({ key, value }) => [key, value])),
    attachments: mail.attachments.map(({ filename, mimeType, content }) => ({
      filename: filename ?? '(no name)',
      contentType: mimeType,
      sizeBytes: typeof content === 'string' ? content.length : content.byteLength,
    })),
    source: raw.toString('utf8'),
  };
}

function displayAll(addresses: Address[] = []): string[] {
  return addresses
    .flatMap((one) => (one.group === undefined ? [one] : one.group))
    .map(({ name, address }) => (name === '' ? address : `${name} <${address}>`));
}
