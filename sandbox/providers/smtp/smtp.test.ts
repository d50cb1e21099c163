import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { MailView } from '../../call.ts';
import { aSandbox, type SandboxUnderTest } from '../../sandbox-under-test.ts';

let sandbox: SandboxUnderTest;

interface Given extends SendMailOptions {
  user?: string;
  timeoutMs?: number;
}

/** What nodemailer resolves with, or its error. */
interface SmtpOutcome {
  code?: string;
  responseCode?: number;
  response?: string;
}

/** The real client: its answer, or its error. */
async function send({ user = 'relay', timeoutMs = 2_000, ...mail }: Given): Promise<SmtpOutcome> {
  const [host, port] = sandbox.smtpAddress.split(':');
  const transport = createTransport({
    host,
    port: Number(port),
    auth: { user, pass: 'secret' },
    ignoreTLS: true,
    socketTimeout: timeoutMs,
  });
  try {
    return await transport.sendMail({
      from: 'Acme <hello@acme.test>',
      subject: 'Welcome',
      text: 'Hello',
      ...mail,
    });
  } catch (error) {
    return error as SmtpOutcome;
  } finally {
    transport.close();
  }
}

/** Writes `lines` one after the other, each when the reply to the one before is there; answers all replies. */
function talk(lines: string[]): Promise<string> {
  const [host, port] = sandbox.smtpAddress.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    let replies = '';
    const waiting = [...lines];
    socket.on('error', reject);
    socket.on('close', () => resolve(replies));
    socket.on('data', (chunk) => {
      replies += chunk.toString();
      if (!/^\d{3} .*\r\n$/m.test(chunk.toString())) return;
      const line = waiting.shift();
      if (line === undefined) socket.end();
      else socket.write(`${line}\r\n`);
    });
  });
}

interface SmtpCheck {
  source: string;
  name: string;
  mail: Given;
  fault?: object;
  expect: { code?: string; responseCode?: number; response?: RegExp; accepted: number };
}

const checks: SmtpCheck[] = [
  {
    source: 'RFC 5321 4.2.5',
    name: 'takes a message with 250',
    mail: { to: 'ada@example.test' },
    expect: { response: /^250 2\.0\.0 OK: queued as \S+$/, accepted: 1 },
  },
  {
    source: 'RFC 4954 6: 535 5.7.8',
    name: 'refuses a revoked login',
    mail: { user: 'revoked', to: 'ada@example.test' },
    expect: { code: 'EAUTH', responseCode: 535, response: /5\.7\.8/, accepted: 0 },
  },
  {
    source: 'RFC 4954 6: 454 4.7.0',
    name: 'fails a login for now, by script',
    mail: { to: 'ada@example.test' },
    fault: {
      stage: 'login',
      then: { status: 454, body: '4.7.0 Temporary authentication failure' },
    },
    expect: { code: 'EAUTH', responseCode: 454, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.8: X.7.1, at MAIL FROM',
    name: 'refuses a sender that is not of the account',
    mail: { from: 'unverified@acme.test', to: 'ada@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 550, response: /5\.7\.1/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.2: X.1.1',
    name: 'refuses bounce@ at RCPT',
    mail: { to: 'bounce+1@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 550, response: /5\.1\.1/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.3: X.2.2',
    name: 'refuses softbounce@ for now: mailbox full',
    mail: { to: 'softbounce@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 452, response: /4\.2\.2/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.8: X.7.1',
    name: 'refuses blocked@ by policy',
    mail: { to: 'blocked@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 550, response: /5\.7\.1/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.3: X.2.1',
    name: 'refuses drop@: mailbox disabled',
    mail: { to: 'drop@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 550, response: /5\.2\.1/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.2: X.1.3',
    name: 'refuses 400@: bad address syntax',
    mail: { to: '400@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 553, response: /5\.1\.3/, accepted: 0 },
  },
  {
    source: 'RFC 5321 4.2.2: 450',
    name: 'slows 429@ down',
    mail: { to: '429@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 450, response: /4\.7\.0/, accepted: 0 },
  },
  {
    source: 'RFC 3463 3.4: X.3.2',
    name: 'refuses 503@ for now',
    mail: { to: '503@example.test' },
    expect: { code: 'EENVELOPE', responseCode: 451, response: /4\.3\.2/, accepted: 0 },
  },
  {
    source: 'RFC 5321 3.3: each RCPT has a reply',
    name: 'takes the good recipients of a mixed envelope',
    mail: { to: ['ada@example.test', 'bounce@example.test'], cc: 'bob@example.test' },
    expect: { response: /^250/, accepted: 2 },
  },
  {
    source: 'RFC 5321 4.2.5: no reply after the final dot',
    name: 'accepts accept-then-timeout@ and never answers',
    mail: { to: 'accept-then-timeout@example.test', timeoutMs: 300 },
    expect: { code: 'ETIMEDOUT', accepted: 1 },
  },
  {
    source: 'RFC 5321 4.2.5: connection lost after the final dot',
    name: 'accepts accept-then-reset@ and cuts the line',
    mail: { to: 'accept-then-reset@example.test' },
    expect: { code: 'ESOCKET', accepted: 1 },
  },
  {
    source: 'RFC 5321 4.2.5: connection lost',
    name: 'cuts the line of reset@ without accepting',
    mail: { to: 'reset@example.test' },
    expect: { code: 'ESOCKET', accepted: 0 },
  },
  {
    source: 'RFC 5321 4.2.2: 451 after the data',
    name: 'answers 451 to 500@ and does not keep it',
    mail: { to: '500@example.test' },
    expect: { code: 'EMESSAGE', responseCode: 451, accepted: 0 },
  },
  {
    source: 'RFC 5321 4.2: no refusal of what was taken',
    name: 'accepts 500-accepted@ and cuts the line',
    mail: { to: '500-accepted@example.test' },
    expect: { code: 'ESOCKET', accepted: 1 },
  },
  {
    source: 'RFC 5321 3.8: 421 closes',
    name: 'greets with 421, by script',
    mail: { to: 'ada@example.test' },
    fault: { stage: 'greeting', then: { status: 421, body: '4.3.2 Too busy' } },
    expect: { code: 'EPROTOCOL', responseCode: 421, accepted: 0 },
  },
  {
    source: 'RFC 1870 6.1: declared size',
    name: 'refuses more than 30 MB before the data',
    mail: { to: 'ada@example.test', text: 'x'.repeat(31 * 1024 * 1024), timeoutMs: 10_000 },
    expect: { responseCode: 552, accepted: 0 },
  },
  {
    source: 'RFC 6531: SMTPUTF8',
    name: 'takes an address outside ASCII',
    mail: { to: 'jörg@example.test' },
    expect: { response: /^250/, accepted: 1 },
  },
];

describe('sandbox: SMTP', () => {
  before(async () => (sandbox = await aSandbox()));
  after(() => sandbox.close());
  afterEach(() => sandbox.control('DELETE', '/faults'));

  for (const { source, name, mail, fault, expect } of checks) {
    it(`${name} [${source}]`, async () => {
      if (fault) await sandbox.control('POST', '/faults', { provider: 'smtp', ...fault });
      const before = await sandbox.accepted();
      const result = await send(mail);
      if (expect.code !== undefined) assert.equal(result.code, expect.code);
      if (expect.responseCode !== undefined) assert.equal(result.responseCode, expect.responseCode);
      if (expect.response) assert.match(result.response ?? '', expect.response);
      assert.equal((await sandbox.accepted()).length - before.length, expect.accepted);
    });
  }

  it('offers what a client asks for: 8BITMIME, SMTPUTF8, SIZE, AUTH, and no STARTTLS', async () => {
    const replies = await talk(['EHLO client.test']);
    for (const word of ['8BITMIME', 'SMTPUTF8', 'SIZE 31457280', 'AUTH LOGIN PLAIN'])
      assert.ok(replies.includes(word), word);
    assert.ok(!replies.includes('STARTTLS'));
  });

  it('does not accept a message whose client left before the final dot', async () => {
    const before = await sandbox.accepted();
    const commands = ['EHLO x.test', 'MAIL FROM:<a@acme.test>', 'RCPT TO:<b@example.test>', 'DATA'];
    const [host, port] = sandbox.smtpAddress.split(':');
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), host);
      const waiting = [...commands, 'Subject: half\r\n\r\nhal'];
      socket.on('close', () => resolve());
      socket.on('data', (chunk) => {
        if (!/^\d{3} .*\r\n$/m.test(chunk.toString())) return;
        const line = waiting.shift();
        if (line !== undefined) socket.write(`${line}\r\n`);
        if (waiting.length === 0) setTimeout(() => socket.destroy(), 50);
      });
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await sandbox.accepted()).length, before.length);
  });

  it('reads our ids from Message-ID and X-EP-Message, and shows the mail with its blind copies', async () => {
    await send({
      to: 'Ada <ada@example.test>',
      bcc: 'hidden@example.test',
      subject: 'Grüße aus Köln',
      html: '<p>Grüße</p>',
      messageId: '<call_01abc@acme.test>',
      headers: { 'X-EP-Message': 'msg_01abc' },
    });
    const lines = (await sandbox.accepted()).filter(({ callId }) => callId === 'call_01abc');
    assert.deepEqual(
      lines.map(({ recipient, messageId, subject, account }) => [
        recipient,
        messageId,
        subject,
        account,
      ]),
      [
        ['ada@example.test', 'msg_01abc', 'Grüße aus Köln', 'relay'],
        ['hidden@example.test', 'msg_01abc', 'Grüße aus Köln', 'relay'],
      ],
    );
    const { body } = await sandbox.control('GET', '/messages?messageId=msg_01abc');
    const { view } = (await sandbox.control('GET', `/messages/${body.data[0]!.id}`))
      .body as unknown as { view: MailView };
    assert.match(view.html ?? '', /<p>Grüße<\/p>/);
    assert.deepEqual(view.bcc, ['hidden@example.test']);
    assert.match(view.source, /^Message-ID: <call_01abc@acme.test>\r$/im);
  });
});
