import type { OutgoingMessage } from './provider.ts';

/** A mail as the platform hands it over; tests say what differs. */
export function anOutgoingMessage(different: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    callId: 'call_01jd3v8q0e4x2m6n7p8r9s0t1v',
    tenantId: 'ten_01jd3v8q0e4x2m6n7p8r9s0t1w',
    messageId: 'msg_01jd3v8q0e4x2m6n7p8r9s0t1x',
    attempt: 1,
    from: { email: 'hello@acme.test', name: 'Acme' },
    replyTo: [],
    to: [{ email: 'ada@example.test', name: 'Ada Lovelace' }],
    cc: [],
    bcc: [],
    subject: 'Your order',
    html: '<p>Thank you.</p>',
    text: 'Thank you.',
    headers: {},
    tags: [],
    attachments: [],
    tracking: { opens: false, clicks: false },
    ...different,
  };
}
