import assert from 'node:assert/strict';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

const mail = {
  from: 'Acme <hello@acme.test>',
  to: 'ada@example.test',
  subject: 'Hello {{ name }}',
  text: 'Hello {{ name }}',
  variables: { name: 'Ada' },
};
const hour = 3_600_000;

describe('POST /v1/messages', () => {
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;

  before(async () => {
    platform = await aPlatform({ TEMPORAL_UI_URL: 'http://ui.test:8233/' });
    api = await anApi(platform);
    ctx = await aTenant(platform);
    await anAccount(ctx, { name: 'main' });
    key = await aKey(ctx);
  });
  after(async () => {
    await api.close();
    await platform.close();
  });

  const post = (body: unknown, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/messages', { key, body, headers });
  /** Start rows are left out: they go by themselves, when the run of an earlier message has begun. */
  async function countRows(): Promise<Record<string, number>> {
    return ctx.read(async (em) => {
      const counts: Record<string, number> = {};
      for (const table of [
        'messages',
        'recipients',
        'message_contents',
        'events',
        'idempotency_keys',
      ]) {
        const [row] = await query<{ n: number }>(em, `SELECT count(*)::int AS n FROM ${table}`);
        counts[table] = row!.n;
      }
      return counts;
    });
  }

  it('accepts sugar and answers 202 with what was stored, canonically', async () => {
    const { status, json } = await post({
      ...mail,
      to: ['"Lovelace, Ada" <ada@example.test>', { email: 'bob@example.test', name: 'Bob' }],
      cc: 'carol@example.test',
      replyTo: 'Help <help@acme.test>',
      tags: ['welcome'],
      metadata: { order: '7' },
      scheduledAt: '2099-01-01T01:00:00+01:00',
    });
    assert.equal(status, 202);
    assert.equal(json.status, 'scheduled');
    assert.match(json.id, /^msg_[0-9a-z]{26}$/);
    assert.match(
      json.workflowUrl,
      /^http:\/\/ui\.test:8233\/namespaces\/default\/workflows\/send-message%2F/,
    );
    const { json: view } = await api.call('GET', `/v1/messages/${json.id}`, { key });
    assert.deepEqual(view.from, { email: 'hello@acme.test', name: 'Acme' });
    assert.deepEqual(view.to, [
      { email: 'ada@example.test', name: 'Lovelace, Ada' },
      { email: 'bob@example.test', name: 'Bob' },
    ]);
    assert.deepEqual(view.cc, [{ email: 'carol@example.test' }]);
    assert.deepEqual(view.replyTo, [{ email: 'help@acme.test', name: 'Help' }]);
    assert.equal(view.scheduledAt, '2099-01-01T00:00:00.000Z');
    assert.equal(view.subject, 'Hello Ada');
  });

  it('shows workflowUrl only to keys with the scope inspect', async () => {
    const plain = await aKey(ctx, ['send', 'read']);
    const { json } = await api.call('POST', '/v1/messages', { key: plain, body: mail });
    assert.equal('workflowUrl' in json, false);
    const timeline = `/v1/messages/${json.id}/timeline`;
    assert.equal('workflowUrl' in (await api.call('GET', timeline, { key: plain })).json, false);
    assert.equal('workflowUrl' in (await api.call('GET', timeline, { key })).json, true);
  });

  it('checks everything and stores nothing with validateOnly, also under an idempotency key', async () => {
    const before = await countRows();
    const call = { key, body: mail, headers: { 'idempotency-key': 'dry' } };
    const { status, json } = await api.call('POST', '/v1/messages?validateOnly=true', call);
    assert.equal(status, 202);
    assert.deepEqual(
      [json.valid, json.subject, json.routing.candidates.length],
      [true, 'Hello Ada', 1],
    );
    assert.deepEqual(await countRows(), before);
    const real = await post(mail, { 'idempotency-key': 'dry' });
    assert.equal(real.headers.get('idempotency-replayed'), null);
    const dry = await api.call('POST', '/v1/messages?validateOnly=true', call);
    assert.equal(dry.json.valid, true);
  });

  const refusals: [name: string, change: object, pointer: string, code: string][] = [
    ['an unknown field', { subjct: 'x' }, '/subjct', 'unknown_field'],
    [
      'an unknown field deep inside',
      { from: { email: 'a@acme.test', nam: 'x' } },
      '/from/nam',
      'unknown_field',
    ],
    ['no sender', { from: undefined }, '/from', 'required'],
    ['no recipient', { to: undefined }, '/to', 'required'],
    ['a number for an address', { to: 5 }, '/to', 'invalid_type'],
    [
      'a text that is no address',
      { to: ['ok@example.test', 'not an address'] },
      '/to/1',
      'address_invalid',
    ],
    [
      'an address with a line break',
      { to: { email: 'a@b.test\r\nBcc: x@y.test' } },
      '/to/0',
      'address_invalid',
    ],
    ['an unknown sender domain', { from: 'a@other.test' }, '/from', 'from_domain_not_allowed'],
    [
      'a forbidden header',
      { headers: { 'Message-ID': 'x' } },
      '/headers/Message-ID',
      'header_forbidden',
    ],
    ['eleven tags', { tags: Array.from({ length: 11 }, String) }, '/tags', 'too_big'],
    ['a tag with a control character', { tags: ['a\tb'] }, '/tags/0', 'invalid_format'],
    ['a metadata number', { metadata: { a: 1 } }, '/metadata/a', 'invalid_type'],
    [
      '51 metadata keys',
      { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'v'])) },
      '/metadata',
      'too_big',
    ],
    ['a long subject', { subject: 'x'.repeat(999) }, '/subject', 'too_big'],
    [
      'a time without zone',
      { scheduledAt: '2030-01-01T00:00:00' },
      '/scheduledAt',
      'invalid_format',
    ],
    [
      'a day that does not exist',
      { scheduledAt: '2030-02-30T00:00:00Z' },
      '/scheduledAt',
      'invalid_format',
    ],
    ['an expiry in the past', { expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt', 'in_the_past'],
    [
      'a template that does not exist',
      { template: { id: 'tpl_x' }, subject: undefined, text: undefined },
      '/template/id',
      'not_found',
    ],
    ['a template mistake', { text: 'Hello {{ name' }, '/text', 'template_error'],
    ['a missing variable', { variables: {} }, '/subject', 'variable_missing'],
    ['an account that is not there', { routing: { account: 'none' } }, '/routing', 'no_route'],
    [
      'a path in a file name',
      { attachments: [{ filename: '../x', contentType: 'a/b', content: '' }] },
      '/attachments/0/filename',
      'filename_invalid',
    ],
    ['a NUL', { metadata: { a: 'x\0y' } }, '/metadata/a', 'character_invalid'],
    ['half a surrogate pair', { metadata: { a: '\ud800' } }, '/metadata/a', 'character_invalid'],
  ];
  for (const [name, change, pointer, code] of refusals)
    it(`refuses ${name} at ${pointer} with ${code}, and stores nothing`, async () => {
      const before = await countRows();
      const { status, headers, json } = await post(
        { ...mail, ...change },
        { 'idempotency-key': `refused ${name}` },
      );
      assert.equal(status, 422, JSON.stringify(json));
      assert.equal(headers.get('content-type'), 'application/problem+json; charset=utf-8');
      assert.equal(json.code, 'invalid');
      const item = json.errors.find((each: { pointer: string }) => each.pointer === pointer);
      assert.equal(item?.code, code, JSON.stringify(json.errors));
      assert.ok(item.detail.length > 10);
      assert.deepEqual(await countRows(), before);
    });

  it('says what is known where a field is not', async () => {
    const { json } = await post({ ...mail, subjct: 'x' });
    assert.match(json.errors[0].detail, /Known: from, to, cc/);
  });

  it('never repeats a value of the request', async () => {
    const secret = 'canary-4711';
    for (const change of [
      { to: secret },
      { stream: secret },
      { scheduledAt: secret },
      { tags: secret },
    ]) {
      const { status, text } = await post({ ...mail, ...change });
      assert.equal(status, 422);
      assert.doesNotMatch(text, /canary/);
    }
    for (const body of [secret, `{"from": "${secret}", ${secret}`]) {
      const broken = await post(body);
      assert.equal(broken.status, 400);
      assert.doesNotMatch(broken.text, /canary/);
    }
  });

  it('refuses attachments above 25 MB as too large', async () => {
    const content = 'A'.repeat(4 * 9 * 1024 * 1024);
    const { status, json } = await post({
      ...mail,
      attachments: [{ filename: 'a.bin', contentType: 'application/octet-stream', content }],
    });
    assert.deepEqual(
      [status, json.code, json.errors[0].pointer],
      [413, 'too_large', '/attachments'],
    );
  });

  it('cancels and moves what is scheduled', async () => {
    const at = new Date(Date.now() + hour).toISOString();
    const { json: first } = await post({ ...mail, scheduledAt: at });
    const later = new Date(Date.now() + 2 * hour).toISOString();
    const moved = await api.call('PATCH', `/v1/messages/${first.id}`, {
      key,
      body: { scheduledAt: later },
    });
    assert.deepEqual([moved.status, moved.json.scheduledAt], [200, later]);
    const cancelled = await api.call('POST', `/v1/messages/${first.id}/cancel`, { key });
    assert.deepEqual([cancelled.status, cancelled.json.status], [200, 'cancelled']);
    const again = await api.call('POST', `/v1/messages/${first.id}/cancel`, { key });
    assert.deepEqual([again.status, again.json.code], [409, 'state_conflict']);
  });

  it('shows content, timeline and explanation', async () => {
    const { json: sent } = await post({
      ...mail,
      scheduledAt: new Date(Date.now() + hour).toISOString(),
    });
    const content = await api.call('GET', `/v1/messages/${sent.id}/content?as=text`, { key });
    assert.deepEqual([content.status, content.text], [200, 'Hello Ada']);
    assert.match(content.headers.get('content-security-policy')!, /^sandbox;/);
    const timeline = await api.call('GET', `/v1/messages/${sent.id}/timeline`, { key });
    assert.equal(timeline.json.entries[0].kind, 'accepted');
    const explanation = await api.call('GET', `/v1/messages/${sent.id}/explain`, { key });
    assert.match(explanation.json.verdict, /Waits for its time/);
  });

  it('answers another tenant’s id like one that does not exist', async () => {
    const { json: sent } = await post(mail);
    const stranger = await aKey(await aTenant(platform));
    const strip = ({ status, json }: { status: number; json: { requestId?: string } }) => ({
      status,
      json: { ...json, requestId: '' },
    });
    for (const path of ['', '/content', '/timeline', '/explain']) {
      const foreign = await api.call('GET', `/v1/messages/${sent.id}${path}`, { key: stranger });
      const none = await api.call('GET', `/v1/messages/msg_${'0'.repeat(26)}${path}`, {
        key: stranger,
      });
      assert.equal(foreign.status, 404);
      assert.deepEqual(strip(foreign), strip(none));
    }
    const test = await aKey(ctx, ['read'], 'test');
    assert.equal((await api.call('GET', `/v1/messages/${sent.id}`, { key: test })).status, 404);
  });
});
