import assert from 'node:assert/strict';
import { createVerify } from 'node:crypto';
import { Client } from '@sendgrid/client';
import { MailService } from '@sendgrid/mail';
import { accountOfKey } from '../../account.ts';
import { aReceiver, aSandbox, until, type SandboxUnderTest } from '../../sandbox-under-test.ts';
import { aMail, sendgridChecks } from './contract.ts';

const API_KEY = 'SG.test.key';
let sandbox: SandboxUnderTest;

function aClient(apiKey = API_KEY): Client {
  const client = new Client();
  client.setApiKey(apiKey);
  client.setDefaultRequest('baseUrl', `${sandbox.httpUrl}/sendgrid`);
  return client;
}

/** The real SDK, one client per account. */
function aService(apiKey?: string): MailService {
  const service = new MailService();
  service.setClient(aClient(apiKey));
  service.setTimeout(2_000);
  return service;
}

const to = (email: string, args = {}) => ({
  to: email,
  from: 'Acme <hello@acme.test>',
  subject: 'Welcome',
  text: 'Hello',
  customArgs: args,
});

/** What the SDK resolves with, or its error. */
interface SdkOutcome {
  sent?: [{ statusCode: number; headers: Record<string, string> }, unknown];
  /** HTTP status where there was one, else the network error's name. */
  code?: number | string;
  response?: { headers: Record<string, string>; body: { errors: Record<string, unknown>[] } };
}

async function outcome(work: Promise<unknown>): Promise<SdkOutcome> {
  try {
    return { sent: (await work) as SdkOutcome['sent'] };
  } catch (error) {
    return error as SdkOutcome;
  }
}

const send = (email: string, args = {}, apiKey = API_KEY) =>
  outcome(aService(apiKey).send(to(email, args)));

describe('sandbox: SendGrid', () => {
  before(async () => (sandbox = await aSandbox()));
  after(() => sandbox.close());

  for (const check of sendgridChecks) {
    it(`${check.name} [${check.source}]`, async () => {
      const mail = aMail(check.with);
      const { method = 'POST', url = '/v3/mail/send', apiKey, headers } = check.request ?? {};
      const before = await sandbox.accepted();
      const request = { method: method as 'POST', url, headers, body: mail };
      const result = await outcome(aClient(apiKey).request(request));
      const { expect } = check;
      assert.equal(result.sent?.[0].statusCode ?? result.code, expect.status);
      const errors = result.response?.body.errors ?? [];
      if (expect.field !== undefined) assert.equal(errors[0]?.field, expect.field);
      if (expect.message) assert.match(String(errors[0]?.message), expect.message);
      assert.equal(
        (await sandbox.accepted()).length > before.length,
        expect.status === 202,
        'accepted exactly when answered 202',
      );
    });
  }

  it('writes one line per recipient, with our ids and the id of the answer', async () => {
    const [response] = await aService().send({
      from: 'hello@acme.test',
      subject: 'Two',
      text: 'Hello',
      customArgs: { ep_call: 'call_1', ep_tenant: 'ten_1' },
      personalizations: [
        { to: 'one@example.test', cc: 'two@example.test', customArgs: { ep_message: 'msg_1' } },
        { to: 'three@example.test', subject: 'Own', customArgs: { ep_message: 'msg_2' } },
      ],
    });
    assert.equal(response.body, '');
    const id: unknown = response.headers['x-message-id'];
    const lines = (await sandbox.accepted()).filter(
      ({ providerMessageId }) => providerMessageId === id,
    );
    assert.deepEqual(
      lines.map(({ messageId, callId, recipient, subject, account, idempotencyKey }) => [
        messageId,
        callId,
        recipient,
        subject,
        account,
        idempotencyKey,
      ]),
      [
        ['msg_1', 'call_1', 'one@example.test', 'Two', accountOfKey(API_KEY), null],
        ['msg_1', 'call_1', 'two@example.test', 'Two', accountOfKey(API_KEY), null],
        ['msg_2', 'call_1', 'three@example.test', 'Own', accountOfKey(API_KEY), null],
      ],
    );
  });

  it('names the scopes of a good key and refuses a bad one', async () => {
    const scopes = { method: 'GET' as const, url: '/v3/scopes' };
    const [, body] = await aClient().request(scopes);
    assert.ok((body as { scopes: string[] }).scopes.includes('mail.send'));
    assert.equal((await outcome(aClient('SG.revoked').request(scopes))).code, 401);
  });

  const reaches = async (email: string) =>
    (await sandbox.accepted()).filter(({ recipient }) => recipient === email).length;

  it('accepts and then resets, answers 500, or never answers: the mail is in the file', async () => {
    assert.equal((await send('accept-then-reset@example.test')).code, 'ECONNRESET');
    assert.equal((await send('accept-then-timeout@example.test')).code, 'ECONNABORTED');
    assert.equal((await send('500-accepted@example.test')).code, 500);
    for (const name of ['accept-then-reset', 'accept-then-timeout', '500-accepted'])
      assert.equal(await reaches(`${name}@example.test`), 1, name);
  });

  it('resets before accepting: the mail is not in the file', async () => {
    assert.equal((await send('reset@example.test')).code, 'ECONNRESET');
    assert.equal(await reaches('reset@example.test'), 0);
  });

  describe('fault scripts', () => {
    const fault = (script: object) => sandbox.control('POST', '/faults', script);
    afterEach(() => sandbox.control('DELETE', '/faults'));

    it('answers a used-up plan as SendGrid does, with 401', async () => {
      const body = { errors: [{ message: 'Maximum credits exceeded', field: null, help: null }] };
      await fault({
        provider: 'sendgrid',
        match: { account: API_KEY },
        then: { status: 401, body },
      });
      const error = await send('ada@example.test');
      assert.equal(error.code, 401);
      assert.deepEqual(error.response!.body, body);
    });

    it('gives every kind of wait with 429, or none', async () => {
      const headersWith = async (retryAfter?: unknown) => {
        await fault({ times: 1, then: { status: 429, retryAfter } });
        return (await send('ada@example.test')).response!.headers;
      };
      assert.equal((await headersWith(7))['retry-after'], '7');
      assert.match((await headersWith('date'))['retry-after']!, /GMT$/);
      assert.ok(Number((await headersWith('absurd'))['retry-after']) > 300_000_000);
      assert.equal((await headersWith('absent'))['x-ratelimit-reset'], undefined);
      const ordinary = await headersWith();
      assert.equal(ordinary['retry-after'], undefined);
      assert.equal(ordinary['x-ratelimit-remaining'], '0');
      assert.ok(Number(ordinary['x-ratelimit-reset']) >= Date.now() / 1000);
    });

    it('hits the same calls again with the same seed', async () => {
      const run = async () => {
        await fault({ probability: 0.5, seed: 42, then: { status: 503 } });
        const codes = [];
        for (let i = 0; i < 12; i += 1) codes.push((await send('ada@example.test')).code);
        await sandbox.control('DELETE', '/faults');
        return codes;
      };
      const first = await run();
      assert.ok(first.includes(503) && first.includes(undefined));
      assert.deepEqual(await run(), first);
    });

    it('dribbles its answer, slower than the client waits', async () => {
      await fault({ then: { slowBytes: 200 } });
      assert.equal((await send('ada@example.test')).code, 'ECONNABORTED');
    });

    it('refuses a script that makes no sense, and names the field', async () => {
      const { status, body } = await fault({ then: { status: 200 } });
      assert.equal(status, 422);
      assert.match(String(body.detail), /then\.status/);
    });
  });

  describe('events', () => {
    let receiver: Awaited<ReturnType<typeof aReceiver>>;
    let publicKey: string;
    // An account per test: what an earlier one left open goes elsewhere.
    let apiKey: string;
    let tests = 0;
    beforeEach(async () => {
      tests += 1;
      apiKey = `SG.events.${tests}`;
      receiver = await aReceiver();
      await sandbox.control('PUT', '/settings', { eventDelayMs: 20 });
      publicKey = await register(receiver.url);
    });
    afterEach(() => receiver.close());

    const register = async (url: string) => {
      const target = { provider: 'sendgrid', account: apiKey, url };
      return (await sandbox.control('PUT', '/webhooks', target)).body.publicKey;
    };

    it('signs timestamp and raw body, which ends with CRLF', async () => {
      await send('ada@example.test', { ep_message: 'msg_7' }, apiKey);
      await until('a post', () => receiver.posts.length > 0);
      const { headers, body } = receiver.posts[0]!;
      const signature = String(headers['x-twilio-email-event-webhook-signature']);
      const timestamp = String(headers['x-twilio-email-event-webhook-timestamp']);
      const isSigned = (bytes: Buffer) =>
        createVerify('sha256')
          .update(timestamp)
          .update(bytes)
          .verify(
            { key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' },
            signature,
            'base64',
          );
      assert.equal(isSigned(body), true);
      assert.equal(isSigned(body.subarray(0, -2)), false);
      assert.equal(body.subarray(-2).toString(), '\r\n');
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 5);
    });

    const words: [string, string[]][] = [
      ['ada', ['processed', 'delivered']],
      ['bounce', ['processed', 'bounce/bounce/Invalid Address']],
      ['softbounce', ['processed', 'bounce/blocked/Mailbox Unavailable']],
      ['blocked', ['processed', 'bounce/blocked/Reputation']],
      ['late-bounce', ['processed', 'delivered', 'bounce/bounce/Invalid Address']],
      ['complaint', ['processed', 'delivered', 'spamreport']],
      ['open', ['processed', 'delivered', 'open']],
      ['click', ['processed', 'delivered', 'open', 'click']],
      ['unsubscribe', ['processed', 'delivered', 'unsubscribe']],
      ['defer', ['processed', 'deferred', 'delivered']],
      ['drop', ['dropped']],
    ];
    for (const [name, expected] of words) {
      it(`posts for ${name}@: ${expected.join(', ')} [Event Webhook Reference]`, async () => {
        const args = { ep_message: 'msg_1', ep_call: 'call_1' };
        const { sent } = await send(`${name}+9@example.test`, args, apiKey);
        await until('all events', () => receiver.events().length >= expected.length);
        const events = receiver.events();
        assert.deepEqual(
          events.map(({ event, type, bounce_classification }) =>
            [event, type, bounce_classification].filter(Boolean).join('/'),
          ),
          expected,
        );
        for (const event of events) {
          assert.equal(event.ep_message, 'msg_1');
          assert.equal(event.email, `${name}+9@example.test`);
          assert.ok(Number.isInteger(event.timestamp));
        }
        assert.equal(new Set(events.map((event) => event.sg_event_id)).size, events.length);
        const id = sent![0].headers['x-message-id'];
        const ids = events.map((event) => event.sg_message_id);
        if (name === 'drop') assert.match(String(ids[0]), /^filter/);
        else assert.ok(String(ids[0]).startsWith(`${id}.recvd-`));
        // The receiver took it first: an asynchronous bounce no longer knows its id.
        assert.equal(ids.includes(undefined), name === 'late-bounce');
      });
    }

    it('posts nothing for silent@', async () => {
      await send('silent@example.test', {}, apiKey);
      await send('ada@example.test', {}, apiKey);
      await until('the other mail', () => receiver.events().length >= 2);
      assert.ok(receiver.events().every(({ email }) => email === 'ada@example.test'));
    });

    it('posts again until it is taken, and follows no redirect', async () => {
      const moody = await aReceiver([500, 302]);
      await register(moody.url);
      await send('drop@example.test', {}, apiKey);
      await until('three posts', () => moody.posts.length >= 3);
      assert.equal(new Set(moody.events().map((event) => event.sg_event_id)).size, 1);
      await moody.close();
    });

    it('repeats, loses and reorders by script, the same for the same seed', async () => {
      const run = async (webhooks: object) => {
        await sandbox.control('POST', '/faults', { seed: 5, webhooks });
        const from = receiver.events().length;
        await send('click@example.test', { ep_run: 'x' }, apiKey);
        await sandbox.control('DELETE', '/faults');
        await until('what is posted', () => receiver.events().length >= from + 3);
        await new Promise((resolve) => setTimeout(resolve, 500));
        return receiver
          .events()
          .slice(from)
          .map(({ event }) => event);
      };
      assert.equal((await run({ duplicate: 2 })).length, 12);
      const shuffled = await run({ reorder: true });
      assert.notDeepEqual(shuffled, ['processed', 'delivered', 'open', 'click']);
      assert.deepEqual(await run({ reorder: true }), shuffled);
    });

    it('holds its posts while paused', async () => {
      await sandbox.control('PUT', '/settings', { webhooksPaused: true });
      await send('ada@example.test', {}, apiKey);
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal(receiver.posts.length, 0);
      await sandbox.control('PUT', '/settings', { webhooksPaused: false });
      await until('the events', () => receiver.events().length === 2);
    });

    it('posts what was open when it was stopped, with the same key', async () => {
      await sandbox.control('PUT', '/settings', { eventDelayMs: 400 });
      await send('ada@example.test', { ep_message: 'msg_restart' }, apiKey);
      await sandbox.restart();
      await until('the events', () => receiver.events().length >= 2);
      assert.deepEqual(
        receiver.events().map(({ event, ep_message }) => [event, ep_message]),
        [
          ['processed', 'msg_restart'],
          ['delivered', 'msg_restart'],
        ],
      );
      assert.equal(await register(receiver.url), publicKey);
    });

    it('does not post again after a restart what was taken', async () => {
      await send('ada@example.test', {}, apiKey);
      await until('the events', () => receiver.events().length === 2);
      await sandbox.restart();
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal(receiver.events().length, 2);
    });

    it('posts to this machine only', async () => {
      for (const url of [
        'http://example.test/',
        'http://10.0.0.1/',
        'http://0.0.0.0/',
        'http://127.0.0.1@evil.test/',
      ])
        assert.equal(
          (
            await sandbox.control('PUT', '/webhooks', {
              provider: 'sendgrid',
              account: apiKey,
              url,
            })
          ).status,
          422,
          url,
        );
    });
  });
});
