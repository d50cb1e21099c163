import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { anOutgoingMessage } from './example-message.ts';
import { findProvider, providerKinds, providers } from './index.ts';
import {
  refuse,
  startFakeSendGrid,
  type Answer,
  type FakeSendGrid,
} from './sendgrid/fake-sendgrid.ts';
import { startFakeRelay, type FakeRelay, type RelayScript } from './smtp/fake-relay.ts';

const TIMEOUT_MS = 400;

describe('the table of providers', () => {
  it('finds each kind under its own name, and nothing else', () => {
    for (const kind of providerKinds) assert.equal(findProvider(kind)?.kind, kind);
    for (const kind of ['pigeon', 'constructor', '__proto__', ''])
      assert.equal(findProvider(kind), undefined);
  });

  const endpoints: [keyof typeof providers, object, object][] = [
    ['sendgrid', {}, { host: 'api.sendgrid.com', port: 443, isOwn: true }],
    ['sendgrid', { region: 'eu' }, { host: 'api.eu.sendgrid.com', port: 443, isOwn: true }],
    [
      'sendgrid',
      { baseUrl: 'http://127.0.0.1:3400' },
      { host: '127.0.0.1', port: 3400, isOwn: false },
    ],
    [
      'sendgrid',
      { baseUrl: 'https://api.sendgrid.com' },
      { host: 'api.sendgrid.com', port: 443, isOwn: true },
    ],
    [
      'sendgrid',
      { baseUrl: 'http://api.sendgrid.com' },
      { host: 'api.sendgrid.com', port: 80, isOwn: false },
    ],
    [
      'sendgrid',
      { baseUrl: 'https://api.sendgrid.com.evil.test' },
      { host: 'api.sendgrid.com.evil.test', port: 443, isOwn: false },
    ],
    ['smtp', { host: 'smtp.acme.test' }, { host: 'smtp.acme.test', port: 587, isOwn: false }],
  ];
  for (const [kind, settings, endpoint] of endpoints) {
    it(`says where ${kind} with ${JSON.stringify(settings)} leads`, () => {
      assert.deepEqual(providers[kind].endpoint(settings), endpoint);
    });
  }

  const badSettings: [keyof typeof providers, object][] = [
    ['sendgrid', { region: 'mars' }],
    ['sendgrid', { baseUrl: 'ftp://api.sendgrid.com' }],
    ['sendgrid', { baseUrl: 'https://user:pass@api.sendgrid.com' }],
    ['sendgrid', { baseUrl: 'https://api.sendgrid.com/?x=1' }],
    ['sendgrid', { baseUrl: 'https://api.sendgrid.com?x' }],
    ['smtp', {}],
    ['smtp', { host: 'smtp.acme.test/x' }],
    ['smtp', { host: 'smtp.acme.test\r\n' }],
    ['smtp', { host: 'smtp.acme.test', port: 0 }],
    ['smtp', { host: 'smtp.acme.test', secure: 'maybe' }],
  ];
  for (const [kind, settings] of badSettings) {
    it(`refuses ${kind} settings ${JSON.stringify(settings)}`, () => {
      assert.equal(providers[kind].settingsSchema.safeParse(settings).success, false);
    });
  }

  const security: [object, unknown][] = [
    [{ host: 'smtp.acme.test' }, 'starttls'],
    [{ host: 'smtp.acme.test', port: 465 }, true],
    [{ host: '127.0.0.1', port: 2525 }, false],
    [{ host: '::1', port: 2525 }, false],
    [{ host: 'localhost', port: 465 }, true],
    [{ host: '127.0.0.1.evil.test' }, 'starttls'],
    [{ host: 'smtp.acme.test', secure: false }, false],
  ];
  for (const [settings, secure] of security) {
    it(`takes ${JSON.stringify(settings)} for ${JSON.stringify(secure)}`, () => {
      const { settingsSchema } = providers.smtp;
      const parsed = settingsSchema.parse(settings);
      assert.equal((parsed as { secure: unknown }).secure, secure);
      assert.deepEqual(settingsSchema.parse(parsed), parsed, 'reading it again changes nothing');
    });
  }

  it('refuses mail of an account whose stored JSON does not fit, without saying its secrets', async () => {
    const account = {
      id: 'acc_1',
      mode: 'live' as const,
      credentials: { apiKey: 'SG.bad key' },
      settings: {},
    };
    const options = { timeoutMs: TIMEOUT_MS, beforeWrite: () => assert.fail() };
    const result = await providers.sendgrid.send(account, anOutgoingMessage(), options);
    assert.deepEqual(result.recipients[0]?.outcome, { kind: 'refused', class: 'account' });
    assert.match(result.words ?? '', /credentials\.apiKey/);
    assert.ok(!result.words?.includes('bad key'));
  });

  it('verifies a webhook with stored secrets, and refuses with none', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signingKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    const body = Buffer.from('[]\r\n');
    const request = {
      body,
      headers: {
        'x-twilio-email-event-webhook-signature': sign(
          'sha256',
          Buffer.concat([Buffer.from('1'), body]),
          privateKey,
        ).toString('base64'),
        'x-twilio-email-event-webhook-timestamp': '1',
      },
    };
    const webhook = providers.sendgrid.webhook!;
    assert.equal(webhook.verify(request, { signingKey }), true);
    for (const secrets of [undefined, null, {}, { signingKey: 7 }, { signingKey: '' }])
      assert.equal(webhook.verify(request, secrets), false);
    assert.deepEqual(webhook.answers, { stored: 200, notAuthentic: 403, unavailable: 503 });
    assert.equal(providers.smtp.webhook, undefined);
  });

  const unsupported: [keyof typeof providers, object, RegExp][] = [
    ['sendgrid', { to: [], cc: [{ email: 'a@example.test' }] }, /^to:/],
    ['sendgrid', { bcc: [{ email: 'ADA@example.test' }] }, /^recipients:/],
    ['sendgrid', { subject: '' }, /^subject:/],
    ['sendgrid', { html: undefined, text: '' }, /^text, html:/],
    ['sendgrid', { headers: { 'Reply-To': 'a@acme.test' } }, /^headers\.Reply-To:/],
    ['smtp', { to: [] }, /^recipients:/],
    ['smtp', { headers: { 'message-ID': '<1@acme.test>' } }, /^headers\.message-ID:/],
    ['smtp', { headers: { 'X-EP-Message': 'msg_other' } }, /^headers\.X-EP-Message:/],
    ['smtp', { headers: { 'Content-Type': 'text/html' } }, /^headers\.Content-Type:/],
  ];
  for (const [kind, different, problem] of unsupported) {
    it(`says that ${kind} cannot express ${JSON.stringify(different)}`, () => {
      assert.match(providers[kind].findUnsupported(anOutgoingMessage(different)) ?? '', problem);
    });
  }
});

describe('checking an account', () => {
  describe('of SendGrid', () => {
    let fake: FakeSendGrid;
    before(async () => (fake = await startFakeSendGrid()));
    after(async () => {
      providers.sendgrid.close();
      await fake.close();
    });
    const scopes =
      (...names: string[]): Answer =>
      (response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify({ scopes: names }));
      };
    const rows: [string, Answer, boolean, RegExp][] = [
      ['a key that may send', scopes('mail.send', 'alerts.read'), true, /may send/],
      ['a key without the scope', scopes('alerts.read'), false, /Mail Send/],
      ['a bad key', refuse(401, 'authorization grant is invalid'), false, /^401: authorization/],
      ['another server', (response) => response.end('hello'), false, /baseUrl/],
      ['silence', () => undefined, false, /ETIMEDOUT/],
    ];
    for (const [name, answer, ok, detail] of rows) {
      it(`answers ${ok} for ${name}, and sends nothing`, async () => {
        fake.answer = answer;
        const settings = { baseUrl: fake.baseUrl };
        const account = {
          id: 'acc_1',
          mode: 'live' as const,
          credentials: { apiKey: 'SG.key' },
          settings,
        };
        const result = await providers.sendgrid.check(account, TIMEOUT_MS);
        assert.equal(result.ok, ok);
        assert.match(result.detail, detail);
        const { method, url } = fake.requests.at(-1)!;
        assert.equal(`${method} ${url}`, 'GET /v3/scopes');
      });
    }
  });

  describe('of SMTP', () => {
    let relay: FakeRelay;
    afterEach(() => relay.close());
    const rows: [string, RelayScript, boolean, RegExp][] = [
      ['a good login', {}, true, /took the login/],
      ['a bad login', { auth: '535 5.7.8 Bad credentials' }, false, /^535 5\.7\.8/],
      ['silence', { greeting: { then: 'silence' } }, false, /in time/],
      ['an answer byte by byte', { auth: { then: 'drip' } }, false, /in time/],
      ['a server that hangs up', { greeting: { then: 'drop' } }, false, /closed/],
    ];
    for (const [name, script, ok, detail] of rows) {
      it(`answers ${ok} for ${name}, and sends nothing`, async () => {
        relay = await startFakeRelay(script);
        const settings = { host: '127.0.0.1', port: relay.port };
        const credentials = { user: 'relay', pass: 'secret' };
        const startedAt = performance.now();
        const result = await providers.smtp.check(
          { id: 'acc_1', mode: 'live', credentials, settings },
          TIMEOUT_MS,
        );
        assert.ok(performance.now() - startedAt < TIMEOUT_MS * 1.2);
        assert.equal(result.ok, ok);
        assert.match(result.detail, detail);
        assert.ok(!relay.commands.some((line) => line.startsWith('MAIL')));
      });
    }
  });
});
