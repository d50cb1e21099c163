import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Outcome } from '../../domain/outcome.ts';
import { anOutgoingMessage } from '../example-message.ts';
import { NotCalledError, type CallOptions, type OutgoingMessage } from '../provider.ts';
import {
  accept,
  refuse,
  startFakeSendGrid,
  type Answer,
  type FakeSendGrid,
} from './fake-sendgrid.ts';
import { sendgrid } from './provider.ts';

const TIMEOUT_MS = 400;

function anAccount(baseUrl: string, id = 'acc_1') {
  const settings = { region: 'us' as const, baseUrl };
  return { id, mode: 'live' as const, credentials: { apiKey: 'SG.key' }, settings };
}

function sendTo(
  baseUrl: string,
  message: Partial<OutgoingMessage> = {},
  options: Partial<CallOptions> = {},
) {
  return sendgrid.send(anAccount(baseUrl), anOutgoingMessage(message), {
    timeoutMs: TIMEOUT_MS,
    beforeWrite: () => undefined,
    ...options,
  });
}

const unknown: Outcome = { kind: 'unknown', class: 'ambiguous' };
function refused(errorClass: 'transient' | 'rate' | 'message' | 'account'): Outcome {
  return { kind: 'refused', class: errorClass };
}

describe('sending with SendGrid', () => {
  let fake: FakeSendGrid;
  before(async () => (fake = await startFakeSendGrid()));
  beforeEach(() => {
    fake.requests.length = 0;
    fake.answer = accept;
  });
  after(async () => {
    sendgrid.close();
    await fake.close();
  });

  it('puts exactly this on the wire, and nobody but the recipients', async () => {
    const result = await sendTo(fake.baseUrl, {
      replyTo: [{ email: 'help@acme.test' }],
      cc: [{ email: 'charles@example.test' }],
      bcc: [{ email: 'grace@example.test', name: 'Grace' }],
      headers: { 'X-Order': '42', Authorization: 'Bearer stolen' },
      tags: ['orders', 'vip', 'orders'],
      attachments: [
        { filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('hi') },
        {
          filename: 'b.png',
          contentType: 'image/png',
          content: Buffer.from([1, 2]),
          contentId: 'logo',
        },
      ],
      tracking: { opens: true, clicks: false },
    });
    assert.deepEqual(result, {
      recipients: ['ada', 'charles', 'grace'].map((name) => ({
        email: `${name}@example.test`,
        outcome: { kind: 'accepted' },
        code: '202',
      })),
      code: '202',
      providerMessageId: '14c5d75ce93dfd64b469',
    });
    assert.equal(fake.requests.length, 1);
    const [request] = fake.requests;
    assert.equal(`${request?.method} ${request?.url}`, 'POST /v3/mail/send');
    const {
      'user-agent': agent,
      'accept-encoding': encoding,
      'content-length': length,
      ...headers
    } = request!.headers;
    assert.ok(agent && encoding && length);
    assert.deepEqual(headers, {
      accept: 'application/json',
      'content-type': 'application/json',
      authorization: 'Bearer SG.key',
      host: `127.0.0.1:${fake.port}`,
      connection: 'keep-alive',
    });
    assert.deepEqual(JSON.parse(request!.body), {
      personalizations: [
        {
          to: [{ email: 'ada@example.test', name: 'Ada Lovelace' }],
          cc: [{ email: 'charles@example.test' }],
          bcc: [{ email: 'grace@example.test', name: 'Grace' }],
          headers: { 'X-Order': '42', Authorization: 'Bearer stolen' },
          custom_args: {
            ep_call: 'call_01jd3v8q0e4x2m6n7p8r9s0t1v',
            ep_message: 'msg_01jd3v8q0e4x2m6n7p8r9s0t1x',
            ep_tenant: 'ten_01jd3v8q0e4x2m6n7p8r9s0t1w',
            ep_attempt: '1',
          },
        },
      ],
      from: { email: 'hello@acme.test', name: 'Acme' },
      reply_to: { email: 'help@acme.test' },
      subject: 'Your order',
      content: [
        { type: 'text/plain', value: 'Thank you.' },
        { type: 'text/html', value: '<p>Thank you.</p>' },
      ],
      attachments: [
        { content: 'aGk=', filename: 'a.txt', type: 'text/plain', disposition: 'attachment' },
        {
          content: 'AQI=',
          filename: 'b.png',
          type: 'image/png',
          disposition: 'inline',
          content_id: 'logo',
        },
      ],
      categories: ['orders', 'vip'],
      tracking_settings: {
        click_tracking: { enable: false, enable_text: false },
        open_tracking: { enable: true },
      },
    });
  });

  it('names several reply addresses in a list', async () => {
    const replyTo = [{ email: 'a@acme.test' }, { email: 'b@acme.test', name: 'B' }];
    await sendTo(fake.baseUrl, { replyTo });
    const body = JSON.parse(fake.requests[0]!.body);
    assert.deepEqual(body.reply_to_list, replyTo);
    assert.equal(body.reply_to, undefined);
  });

  const answers: [string, Answer, Outcome, string?][] = [
    [
      '400 about a recipient',
      refuse(400, 'Does not contain a valid address.', 'personalizations.0.to'),
      refused('message'),
      'Does not contain a valid address. (personalizations.0.to)',
    ],
    [
      '401 bad key',
      refuse(401, 'The provided authorization grant is invalid, expired, or revoked'),
      refused('account'),
    ],
    [
      '401 quota',
      refuse(401, 'Maximum credits exceeded'),
      refused('account'),
      'Maximum credits exceeded',
    ],
    [
      '403',
      refuse(403, 'The from address does not match a verified Sender Identity.', 'from'),
      refused('account'),
    ],
    ['404', refuse(404, 'not found'), refused('account')],
    ['405', refuse(405, 'method not allowed'), refused('account')],
    ['406', refuse(406, 'not acceptable'), refused('account')],
    ['408', refuse(408, 'request time-out'), refused('transient')],
    ['413', refuse(413, 'The JSON payload you have included is too large.'), refused('message')],
    ['422', refuse(422, 'unprocessable'), refused('message')],
    ['418 and other 4xx', refuse(418, 'teapot'), refused('account')],
    ['429', refuse(429, 'too many requests'), refused('rate'), 'too many requests'],
    [
      '429 with seconds to wait',
      refuse(429, 'too many requests', null, { 'Retry-After': '7' }),
      { kind: 'refused', class: 'rate', retryAfterMs: 7000 },
    ],
    [
      '429 with ten years to wait',
      refuse(429, 'too many requests', null, { 'Retry-After': '315360000' }),
      { kind: 'refused', class: 'rate', retryAfterMs: 3_600_000 },
    ],
    ['503', refuse(503, 'unavailable'), refused('transient')],
    ['500', refuse(500, 'internal'), unknown],
    ['501 and other 5xx', refuse(501, 'not implemented'), unknown],
    [
      '502, an HTML page',
      (response) => response.writeHead(502).end('<h1>Bad gateway</h1>'),
      unknown,
      '<h1>Bad gateway</h1>',
    ],
    ['504', refuse(504, 'gateway time-out'), unknown],
    ['200 that is not acceptance', (response) => response.writeHead(200).end('hello'), unknown],
    [
      '301',
      (response) => response.writeHead(301, { Location: '/elsewhere' }).end(),
      refused('account'),
    ],
    ['303', (response) => response.writeHead(303, { Location: '/elsewhere' }).end(), unknown],
    [
      '307',
      (response) => response.writeHead(307, { Location: '/v3/mail/send' }).end(),
      refused('account'),
    ],
    [
      '308',
      (response) => response.writeHead(308, { Location: '/v3/mail/send' }).end(),
      refused('account'),
    ],
    ['no answer', () => undefined, unknown, `No full answer within ${TIMEOUT_MS} ms.`],
    ['a reset after the request', (response) => response.socket?.resetAndDestroy(), unknown],
    ['a closed connection after the request', (response) => response.socket?.end(), unknown],
    [
      'an acceptance that breaks off',
      (response) => {
        response.writeHead(202, { 'Content-Length': '100' }).write('x');
        setTimeout(() => response.destroy(), 20);
      },
      unknown,
    ],
    [
      'an endless answer',
      (response) => response.writeHead(400).end('x'.repeat(1024 * 1024)),
      unknown,
      'maxContentLength size of 262144 exceeded',
    ],
  ];
  for (const [name, answer, outcome, words] of answers) {
    it(`answers ${outcome.kind === 'accepted' ? '' : outcome.class} for ${name}, after one request`, async () => {
      fake.answer = answer;
      const result = await sendTo(fake.baseUrl, {
        cc: [{ email: 'charles@example.test' }],
        bcc: [{ email: 'grace@example.test' }],
      });
      assert.deepEqual(
        result.recipients.map(({ email }) => email),
        ['ada@example.test', 'charles@example.test', 'grace@example.test'],
      );
      for (const recipient of result.recipients) assert.deepEqual(recipient.outcome, outcome);
      if (words !== undefined) assert.equal(result.words, words);
      assert.equal(fake.requests.length, 1);
    });
  }

  const unreachable: [string, () => Promise<{ baseUrl: string; close?: () => void }>, string?][] = [
    ['a refused connection', async () => ({ baseUrl: await unusedUrl() }), 'ECONNREFUSED'],
    ['a name that does not exist', () => Promise.resolve({ baseUrl: 'http://nowhere.invalid' })],
    ['a server without TLS', () => Promise.resolve({ baseUrl: `https://127.0.0.1:${fake.port}` })],
    ['a connection that is never secured', aSilentServer, 'ETIMEDOUT'],
  ];
  for (const [name, prepare, code] of unreachable) {
    it(`answers transient for ${name}, and never says that it writes`, async () => {
      const { baseUrl, close } = await prepare();
      let writes = 0;
      const result = await sendTo(baseUrl, {}, { beforeWrite: () => (writes += 1) });
      assert.deepEqual(result.recipients[0]?.outcome, refused('transient'));
      if (code) assert.equal(result.code, code);
      assert.equal(writes, 0);
      close?.();
    });
  }

  it('ends at the deadline when the answer comes byte by byte', async () => {
    fake.answer = (response) => {
      response.writeHead(202, { 'X-Message-Id': 'slow' });
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    };
    const startedAt = performance.now();
    const result = await sendTo(fake.baseUrl, {}, { timeoutMs: 1000 });
    const ms = performance.now() - startedAt;
    assert.deepEqual(result.recipients[0]?.outcome, unknown);
    assert.ok(ms > 900 && ms < 1100, `${ms} ms`);
  });

  it('ends at the deadline when the head of the answer comes byte by byte', async () => {
    fake.answer = (response) => {
      const timer = setInterval(() => response.socket?.write('H'), 50);
      response.on('close', () => clearInterval(timer));
    };
    const startedAt = performance.now();
    await sendTo(fake.baseUrl, {}, { timeoutMs: 500 });
    const ms = performance.now() - startedAt;
    assert.ok(ms < 550, `${ms} ms`);
  });

  for (const state of ['new', 'reused'] as const) {
    it(`writes nothing on a ${state} connection when the time to call is over`, async () => {
      sendgrid.close();
      if (state === 'reused') await sendTo(fake.baseUrl);
      const seen = fake.requests.length;
      const result = await sendTo(fake.baseUrl, {}, { beforeWrite: tooLate });
      assert.deepEqual(result.recipients, [
        {
          email: 'ada@example.test',
          outcome: { kind: 'refused', class: 'not_called' },
          words: 'too late',
        },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(fake.requests.length, seen);
    });
  }

  it('asks for permission when the connection stands, right before the request', async () => {
    sendgrid.close();
    const connectedBefore = fake.connections;
    let connectedThen = 0;
    await sendTo(fake.baseUrl, {}, { beforeWrite: () => (connectedThen = fake.connections) });
    await sendTo(fake.baseUrl);
    assert.equal(connectedThen, connectedBefore + 1);
    assert.equal(fake.connections, connectedBefore + 1, 'the second call reuses the connection');
  });

  it('follows a changed key at once', async () => {
    const account = anAccount(fake.baseUrl);
    const options = { timeoutMs: TIMEOUT_MS, beforeWrite: () => undefined };
    await sendgrid.send(account, anOutgoingMessage(), options);
    await sendgrid.send(
      { ...account, credentials: { apiKey: 'SG.new' } },
      anOutgoingMessage(),
      options,
    );
    assert.deepEqual(
      fake.requests.map(({ headers }) => headers.authorization),
      ['Bearer SG.key', 'Bearer SG.new'],
    );
  });
});

function tooLate(): never {
  throw new NotCalledError('too late');
}

async function unusedUrl(): Promise<string> {
  const fake = await startFakeSendGrid();
  await fake.close();
  return fake.baseUrl;
}

/** Takes connections and says nothing, so that TLS never begins. */
async function aSilentServer() {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    baseUrl: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
