import assert from 'node:assert/strict';
import PostalMime from 'postal-mime';
import type { Outcome } from '../../domain/outcome.ts';
import { anOutgoingMessage } from '../example-message.ts';
import { NotCalledError, type CallOptions, type OutgoingMessage } from '../provider.ts';
import { startFakeRelay, type FakeRelay, type RelayScript } from './fake-relay.ts';
import { smtp } from './provider.ts';
import { settingsSchema } from './settings.ts';

const TIMEOUT_MS = 400;
const unknown = { kind: 'unknown', class: 'ambiguous' } as const;
function refused(errorClass: 'transient' | 'rate' | 'message' | 'account' | 'not_called') {
  return { kind: 'refused', class: errorClass } as const;
}

function anAccount(settings: object, credentials = { user: 'relay', pass: 'secret' }) {
  const parsed = settingsSchema.parse({ host: '127.0.0.1', ...settings });
  return { id: 'acc_1', mode: 'live' as const, credentials, settings: parsed };
}

function sendTo(
  port: number,
  message: Partial<OutgoingMessage> = {},
  options: Partial<CallOptions> = {},
) {
  return smtp.send(anAccount({ port }), anOutgoingMessage(message), {
    timeoutMs: TIMEOUT_MS,
    beforeWrite: () => undefined,
    ...options,
  });
}

describe('sending by SMTP', () => {
  let relay: FakeRelay | undefined;
  async function aRelay(script: RelayScript = {}): Promise<FakeRelay> {
    relay = await startFakeRelay(script);
    return relay;
  }
  afterEach(async () => {
    smtp.close();
    await relay?.close();
    relay = undefined;
  });

  it('puts exactly these headers on the wire, and blind copies in the envelope only', async () => {
    const { port, mails } = await aRelay();
    const result = await sendTo(port, {
      replyTo: [{ email: 'help@acme.test' }],
      cc: [{ email: 'charles@example.test' }],
      bcc: [{ email: 'grace@example.test', name: 'Grace' }],
      subject: 'Grüße',
      headers: { 'X-Order': '42', 'In-Reply-To': '<1@acme.test>' },
      attachments: [
        { filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('hi') },
        {
          filename: 'b.png',
          contentType: 'image/png',
          content: Buffer.from([1, 2]),
          contentId: 'logo',
        },
      ],
    });
    const messageId = 'call_01jd3v8q0e4x2m6n7p8r9s0t1v@acme.test';
    assert.deepEqual(result, {
      recipients: ['ada', 'charles', 'grace'].map((name) => ({
        email: `${name}@example.test`,
        outcome: { kind: 'accepted' },
        code: '250',
        words: '250 2.0.0 Ok: queued as 4F2B',
      })),
      code: '250',
      words: '250 2.0.0 Ok: queued as 4F2B',
      providerMessageId: messageId,
    });
    assert.equal(mails.length, 1);
    const [mail] = mails;
    assert.equal(mail!.from, 'hello@acme.test');
    assert.deepEqual(mail!.to, ['ada@example.test', 'charles@example.test', 'grace@example.test']);
    assert.ok(!/grace/i.test(mail!.data));
    const parsed = await PostalMime.parse(mail!.data);
    const headers = Object.fromEntries(parsed.headers.map(({ key, value }) => [key, value]));
    const { date, 'content-type': type, subject, ...others } = headers;
    assert.equal(subject, '=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=');
    assert.equal(parsed.subject, 'Grüße');
    assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 60_000);
    assert.match(type!, /^multipart\/mixed/);
    assert.equal(parsed.headers.length, Object.keys(headers).length, 'each header once');
    assert.deepEqual(others, {
      from: 'Acme <hello@acme.test>',
      to: 'Ada Lovelace <ada@example.test>',
      cc: 'charles@example.test',
      'reply-to': 'help@acme.test',
      'message-id': `<${messageId}>`,
      'x-order': '42',
      'in-reply-to': '<1@acme.test>',
      'x-ep-message': 'msg_01jd3v8q0e4x2m6n7p8r9s0t1x',
      'mime-version': '1.0',
    });
    assert.equal(parsed.text?.trim(), 'Thank you.');
    assert.equal(parsed.html?.trim(), '<p>Thank you.</p>');
    assert.deepEqual(
      parsed.attachments.map(({ filename, mimeType, contentId }) => [
        filename,
        mimeType,
        contentId,
      ]),
      [
        ['b.png', 'image/png', '<logo>'],
        ['a.txt', 'text/plain', undefined],
      ],
    );
  });

  it('does not let a line with a dot end the mail', async () => {
    const { port, mails } = await aRelay();
    const text = 'before\r\n.\r\nMAIL FROM:<evil@example.test>\n.\nafter\r.\rend';
    await sendTo(port, { text, html: undefined });
    assert.equal(mails.length, 1);
    const { text: seen } = await PostalMime.parse(mails[0]!.data.replaceAll('\r\n..', '\r\n.'));
    assert.deepEqual(seen?.trim().split(/\r\n|\r|\n/), text.split(/\r\n|\r|\n/));
  });

  it('uses a connection again, and keeps the mails apart', async () => {
    const { port, mails, commands } = await aRelay();
    await sendTo(port);
    await sendTo(port, { to: [{ email: 'grace@example.test' }] });
    assert.deepEqual(
      mails.map(({ to }) => to),
      [['ada@example.test'], ['grace@example.test']],
    );
    assert.equal(commands.filter((line) => line.startsWith('EHLO')).length, 1);
  });

  const failures: [string, RelayScript, Exclude<Outcome, { kind: 'accepted' }>, string][] = [
    ['a size refused in plain words', { from: '552 Too large' }, refused('message'), '552'],
    [
      'an IP refused in plain words',
      { end: '554 Your IP is on a blocklist' },
      refused('account'),
      '554',
    ],
    [
      'a greeting 421',
      { greeting: '421 4.7.0 Too many connections' },
      refused('rate'),
      '421 4.7.0',
    ],
    [
      'a greeting 554',
      { greeting: '554 5.7.1 You are not welcome' },
      refused('account'),
      '554 5.7.1',
    ],
    [
      'no greeting until the deadline',
      { greeting: { then: 'silence' } },
      refused('transient'),
      'ETIMEDOUT',
    ],
    [
      'a connection lost before the greeting',
      { greeting: { then: 'drop' } },
      refused('transient'),
      'ECONNECTION',
    ],
    ['a bad login', { auth: '535 5.7.8 Authentication failed' }, refused('account'), '535 5.7.8'],
    [
      'a login that is too weak',
      { auth: '534 5.7.9 Mechanism is too weak' },
      refused('account'),
      '534 5.7.9',
    ],
    [
      'a login that fails for now',
      { auth: '454 4.7.0 Temporary authentication failure' },
      refused('transient'),
      '454 4.7.0',
    ],
    [
      'throttling',
      { auth: '454 Throttling failure: Maximum sending rate exceeded.' },
      refused('rate'),
      '454',
    ],
    [
      'a connection lost at the login',
      { auth: { then: 'drop' } },
      refused('transient'),
      'ECONNECTION',
    ],
    [
      'a sender that is not ours',
      { from: '553 5.7.1 Sender address rejected: not owned by user' },
      refused('account'),
      '553 5.7.1',
    ],
    [
      'a sender refused with 550',
      { from: '550 5.1.8 Sender rejected' },
      refused('account'),
      '550 5.1.8',
    ],
    [
      'a login that is missing',
      { from: '530 5.7.0 Authentication required' },
      refused('account'),
      '530 5.7.0',
    ],
    [
      'a size refused before the data',
      { from: '552 5.3.4 Message size exceeds fixed limit' },
      refused('message'),
      '552 5.3.4',
    ],
    ['a size over the one announced', { extensions: ['SIZE 10'] }, refused('message'), 'EMESSAGE'],
    [
      'a sender refused for now',
      { from: '451 4.3.0 Try again later' },
      refused('transient'),
      '451 4.3.0',
    ],
    ['421 at the sender', { from: '421 4.3.2 Shutting down' }, refused('transient'), '421 4.3.2'],
    [
      'a connection lost at the sender',
      { from: { then: 'drop' } },
      refused('transient'),
      'ECONNECTION',
    ],
    [
      'no such user',
      { recipient: () => '550 5.1.1 No such user' },
      refused('message'),
      '550 5.1.1',
    ],
    [
      'user not local',
      { recipient: () => '551 5.1.6 User not local' },
      refused('message'),
      '551 5.1.6',
    ],
    [
      'a bad mailbox name',
      { recipient: () => '553 5.1.3 Bad address syntax' },
      refused('message'),
      '553 5.1.3',
    ],
    [
      'a disabled mailbox',
      { recipient: () => '550 5.2.1 Mailbox disabled' },
      refused('message'),
      '550 5.2.1',
    ],
    ['greylisting', { recipient: () => '450 4.2.0 Greylisted' }, refused('transient'), '450 4.2.0'],
    [
      'a full mailbox',
      { recipient: () => '452 4.2.2 Mailbox full' },
      refused('transient'),
      '452 4.2.2',
    ],
    [
      'too many recipients',
      { recipient: () => '452 4.5.3 Too many recipients' },
      refused('transient'),
      '452 4.5.3',
    ],
    [
      'a rate for recipients',
      { recipient: () => '450 4.7.1 Rate limited' },
      refused('rate'),
      '450 4.7.1',
    ],
    [
      'no relaying',
      { recipient: () => '554 5.7.1 Relay access denied' },
      refused('account'),
      '554 5.7.1',
    ],
    [
      'our IP on a list',
      { recipient: () => '550 5.7.1 Client host blocked using Spamhaus' },
      refused('account'),
      '550 5.7.1',
    ],
    [
      'our domain named',
      { recipient: () => '550 5.7.26 acme.test is unauthenticated' },
      refused('account'),
      '550 5.7.26',
    ],
    [
      'a connection lost at a recipient',
      { recipient: () => ({ then: 'drop' }) },
      refused('transient'),
      'ECONNECTION',
    ],
    [
      'silence at a recipient',
      { recipient: () => ({ then: 'silence' }) },
      refused('transient'),
      'ETIMEDOUT',
    ],
    [
      'an answer byte by byte before the data',
      { data: { then: 'drip' } },
      refused('transient'),
      'ETIMEDOUT',
    ],
    ['a connection lost at DATA', { data: { then: 'drop' } }, refused('transient'), 'ECONNECTION'],
    ['DATA refused', { data: '451 4.3.0 Not now' }, refused('transient'), '451 4.3.0'],
    [
      'content refused',
      { end: '554 5.7.1 Message looks like spam' },
      refused('message'),
      '554 5.7.1',
    ],
    ['content too large', { end: '552 5.3.4 Message too big' }, refused('message'), '552 5.3.4'],
    [
      'content over the system limit',
      { end: '552 5.2.3 Message length exceeds limit' },
      refused('message'),
      '552 5.2.3',
    ],
    ['a final 550 without an enhanced code', { end: '550 Rejected' }, refused('message'), '550'],
    [
      'a sender without DKIM',
      { end: '550 5.7.26 DKIM check failed' },
      refused('account'),
      '550 5.7.26',
    ],
    ['a final 451', { end: '451 4.3.0 Queue file write error' }, refused('transient'), '451 4.3.0'],
    ['a final 421', { end: '421 4.3.0 Shutting down' }, refused('transient'), '421 4.3.0'],
    ['a connection lost after the final dot', { end: { then: 'drop' } }, unknown, 'ECONNECTION'],
    [
      'half a refusal after the final dot',
      { end: { then: 'drop', text: '554 5.7.1 Mess' } },
      unknown,
      'ECONNECTION',
    ],
    ['silence after the final dot', { end: { then: 'silence' } }, unknown, 'ETIMEDOUT'],
    ['an answer byte by byte after the final dot', { end: { then: 'drip' } }, unknown, 'ETIMEDOUT'],
  ];
  for (const pipelining of [true, false]) {
    for (const [name, script, outcome, code] of failures) {
      it(`answers ${outcome.class} for ${name}${pipelining ? '' : ', command by command'}`, async () => {
        const extensions = pipelining ? undefined : ['AUTH PLAIN'];
        const { port, mails } = await aRelay({ extensions, ...script });
        const result = await sendTo(port, { bcc: [{ email: 'grace@example.test' }] });
        assert.deepEqual(
          result.recipients.map(({ email, outcome: seen, code: seenCode }) => [
            email,
            seen,
            seenCode,
          ]),
          [
            ['ada@example.test', outcome, code],
            ['grace@example.test', outcome, code],
          ],
        );
        assert.equal(
          mails.length,
          'end' in script ? 1 : 0,
          'no second try, and no mail without its dot',
        );
      });
    }
  }

  it('answers transient for a refused connection and for a name that does not exist', async () => {
    const { port, close } = await startFakeRelay();
    await close();
    const result = await sendTo(port);
    assert.deepEqual(result.recipients[0]?.outcome, refused('transient'));
    assert.equal(result.code, 'ECONNREFUSED');
    const account = anAccount({ host: 'nowhere.invalid', secure: 'starttls' });
    const options = { timeoutMs: 5000, beforeWrite: () => undefined };
    const nowhere = await smtp.send(account, anOutgoingMessage(), options);
    assert.deepEqual(nowhere.recipients[0]?.outcome, refused('transient'));
  });

  it('waits five seconds for a greeting when the deadline is later', async () => {
    const { port } = await aRelay({ greeting: { then: 'silence' } });
    const startedAt = performance.now();
    const result = await sendTo(port, {}, { timeoutMs: 10_000 });
    assert.deepEqual(result.recipients[0]?.outcome, refused('transient'));
    assert.match(result.words ?? '', /Greeting never received/);
    assert.ok(performance.now() - startedAt < 6000);
  });

  it('takes what the server says about each recipient', async () => {
    const { port, mails } = await aRelay({
      recipient: (address) => (address.startsWith('ada') ? '250 Ok' : '550 5.1.1 No such user'),
    });
    const result = await sendTo(port, { cc: [{ email: 'Nobody@Example.test' }] });
    assert.deepEqual(
      result.recipients.map(({ email, outcome, code }) => [email, outcome.kind, code]),
      [
        ['ada@example.test', 'accepted', '250'],
        ['Nobody@Example.test', 'refused', '550 5.1.1'],
      ],
    );
    assert.deepEqual(mails[0]?.to, ['ada@example.test']);
  });

  for (const [end, kind] of [
    ['554 5.6.0 Refused', 'refused'],
    [{ then: 'drop' }, 'unknown'],
  ] as const) {
    it(`still knows who was refused by name when the others end ${kind}`, async () => {
      const { port } = await aRelay({
        recipient: (address) => (address.startsWith('ada') ? '250 Ok' : '550 5.1.1 No such user'),
        end,
      });
      const result = await sendTo(port, { cc: [{ email: 'nobody@example.test' }] });
      assert.equal(result.recipients[0]?.outcome.kind, kind);
      assert.deepEqual(result.recipients[1]?.outcome, refused('message'));
      assert.equal(result.recipients[1].code, '550 5.1.1');
    });
  }

  it('ends at the deadline when the answer comes byte by byte', async () => {
    const { port } = await aRelay({ end: { then: 'drip' } });
    const startedAt = performance.now();
    await sendTo(port, {}, { timeoutMs: 1000 });
    const ms = performance.now() - startedAt;
    assert.ok(ms > 900 && ms < 1100, `${ms} ms`);
  });

  for (const [moment, call] of [
    ['before the message', 1],
    ['before its end', 2],
  ] as const) {
    it(`sends no final dot when the time to call is over ${moment}`, async () => {
      const relay = await aRelay();
      let calls = 0;
      const beforeWrite = () => {
        calls += 1;
        if (calls === call) throw new NotCalledError('too late');
      };
      const result = await sendTo(relay.port, {}, { beforeWrite });
      assert.deepEqual(result.recipients, [
        { email: 'ada@example.test', outcome: refused('not_called') },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(relay.mails.length, 0);
      assert.equal(relay.unfinished !== '', moment === 'before its end');
      const next = await sendTo(relay.port);
      assert.equal(next.recipients[0]?.outcome.kind, 'accepted', 'on a connection of its own');
      assert.equal(relay.mails.length, 1);
    });
  }

  it('asks for permission only after a recipient was accepted', async () => {
    const relay = await aRelay();
    const commands: number[] = [];
    await sendTo(relay.port, {}, { beforeWrite: () => commands.push(relay.commands.length) });
    assert.equal(relay.commands[commands[0]! - 1], 'DATA');
    assert.equal(commands.length, 2);
  });

  it('writes no final dot of a large mail that the deadline cuts off', async () => {
    const relay = await aRelay({ data: '354 Go on' });
    const attachments = [
      { filename: 'a', contentType: 'application/pdf', content: Buffer.alloc(8_000_000) },
    ];
    let reads = 0;
    const beforeWrite = () => {
      reads += 1;
      if (reads === 1) blockFor(TIMEOUT_MS + 50);
    };
    const result = await sendTo(relay.port, { attachments }, { beforeWrite });
    assert.deepEqual(result.recipients[0]?.outcome, refused('transient'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(relay.mails.length, 0);
  });

  it('sends a password over plain text only to this machine', async () => {
    const account = anAccount({ host: 'relay.example.test', port: 25, secure: false });
    const options = { timeoutMs: TIMEOUT_MS, beforeWrite: () => assert.fail() };
    const result = await smtp.send(account, anOutgoingMessage(), options);
    assert.deepEqual(result.recipients[0]?.outcome, refused('account'));
    assert.match(result.words ?? '', /settings\.secure/);
    assert.equal((await smtp.check(account, TIMEOUT_MS)).ok, false);
  });

  it('answers account when TLS is asked for and there is none', async () => {
    const { port, mails } = await aRelay();
    for (const secure of ['starttls', true] as const) {
      const account = anAccount({ port, secure });
      const options = { timeoutMs: 2000, beforeWrite: () => undefined };
      const result = await smtp.send(account, anOutgoingMessage(), options);
      assert.deepEqual(result.recipients[0]?.outcome, refused('account'), String(secure));
    }
    assert.equal(mails.length, 0);
  });
});

function blockFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
