import assert from 'node:assert/strict';
import pg from 'pg';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

const mail = { from: 'hello@acme.test', to: 'ada@example.test', subject: 'Hello', text: 'Hello' };

describe('Idempotency-Key', () => {
  // Two applications with pools of their own, as two processes would have.
  let platforms: [Platform, Platform];
  let apis: [TestApi, TestApi];
  let ctx: ServiceContext;
  let key: string;

  before(async () => {
    platforms = [await aPlatform(), await aPlatform()];
    apis = [await anApi(platforms[0]), await anApi(platforms[1])];
    ctx = await aTenant(platforms[0]);
    await anAccount(ctx);
    key = await aKey(ctx);
  });
  after(async () => {
    await Promise.all(apis.map((api) => api.close()));
    await Promise.all(platforms.map((platform) => platform.close()));
  });

  const post = (api: TestApi, idempotencyKey: string, body: unknown = mail) =>
    api.call('POST', '/v1/messages', { key, body, headers: { 'idempotency-key': idempotencyKey } });
  const countMessages = () =>
    ctx.read(async (em) => {
      const [row] = await query<{ n: number }>(em, 'SELECT count(*)::int AS n FROM messages');
      return row!.n;
    });

  it('answers a repeated call with the same answer, whatever the order of its fields', async () => {
    const first = await post(apis[0], 'again');
    const { to, ...rest } = mail;
    const second = await post(apis[1], 'again', JSON.stringify({ ...rest, to }, null, 2));
    assert.deepEqual([first.status, second.status], [202, 202]);
    assert.deepEqual(second.json, first.json);
    assert.equal(first.headers.get('idempotency-replayed'), null);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
  });

  it('replays before it validates: what was accepted once stays accepted', async () => {
    const first = await post(apis[0], 'replay first');
    await ctx.read((em) => query(em, `DELETE FROM sending_domains`));
    try {
      const second = await post(apis[0], 'replay first');
      assert.deepEqual([second.status, second.json.id], [202, first.json.id]);
      assert.equal((await post(apis[0], 'another key')).status, 422);
    } finally {
      await ctx.read((em) =>
        query(
          em,
          `INSERT INTO sending_domains (tenant_id, id, domain) VALUES ($1, $1, 'acme.test')`,
          [ctx.tenant.id],
        ),
      );
    }
  });

  it('refuses the same key with another body', async () => {
    await post(apis[0], 'other body');
    const { status, json } = await post(apis[1], 'other body', { ...mail, subject: 'Other' });
    assert.deepEqual([status, json.code], [409, 'idempotency_mismatch']);
  });

  it('frees the key when the request is refused', async () => {
    assert.equal((await post(apis[0], 'free', { ...mail, to: 'nobody' })).status, 422);
    assert.equal((await post(apis[0], 'free')).status, 202);
  });

  it('makes one message of calls at the same moment in two places', async () => {
    const before = await countMessages();
    for (let round = 0; round < 5; round += 1) {
      const calls = Array.from({ length: 8 }, (_, n) =>
        post(apis[n % 2 === 0 ? 0 : 1], `race ${round}`),
      );
      const answers = await Promise.all(calls);
      assert.ok(
        answers.every(({ status }) => status === 202),
        JSON.stringify(answers.map((a) => a.json)),
      );
      assert.equal(new Set(answers.map(({ json }) => json.id)).size, 1);
      const fresh = answers.filter(({ headers }) => !headers.has('idempotency-replayed'));
      assert.equal(fresh.length, 1);
    }
    assert.equal(await countMessages(), before + 5);
  });

  it('lets a rival wait two seconds, then answers 409 with Retry-After', async () => {
    const rival = new pg.Client(process.env['TEST_DATABASE_URL']);
    await rival.connect();
    try {
      await rival.query('BEGIN');
      await rival.query('SELECT set_config($1, $2, true)', ['app.tenant_id', ctx.tenant.id]);
      const name = `idempotency/${ctx.tenant.id}/live/POST /v1/messages/busy`;
      await rival.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
      const from = Date.now();
      const { status, json, headers } = await post(apis[0], 'busy');
      const waited = Date.now() - from;
      assert.deepEqual([status, json.code], [409, 'idempotency_in_progress']);
      assert.equal(headers.get('retry-after'), '1');
      assert.ok(waited >= 1_900 && waited < 4_000, `${waited} ms`);
    } finally {
      await rival.end();
    }
    assert.equal((await post(apis[0], 'busy')).status, 202);
  });

  it('keeps keys of different operations, paths and modes apart', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const later = { ...mail, scheduledAt: '2099-01-01T00:00:00Z' };
    const one = await apis[0].call('POST', '/v1/messages', { key, body: later, headers });
    const two = await post(apis[0], 'the other', later);
    for (const { json } of [one, two]) {
      const cancelled = await apis[0].call('POST', `/v1/messages/${json.id}/cancel`, {
        key,
        headers,
      });
      assert.deepEqual([cancelled.status, cancelled.json.id], [200, json.id]);
      const again = await apis[0].call('POST', `/v1/messages/${json.id}/cancel`, { key, headers });
      assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [200, 'true']);
    }
    const test = await aKey(ctx, ['send'], 'test');
    const { status, json } = await apis[0].call('POST', '/v1/messages', {
      key: test,
      body: later,
      headers,
    });
    assert.deepEqual([status, json.errors[0].code], [422, 'no_route']);
  });

  it('shows the secret of a new API key again to who repeats the call', async () => {
    const call = {
      key,
      body: { name: 'n', scopes: ['read'] },
      headers: { 'idempotency-key': 'key' },
    };
    const first = await apis[0].call('POST', '/v1/api-keys', call);
    const second = await apis[1].call('POST', '/v1/api-keys', call);
    assert.equal(first.status, 201);
    assert.deepEqual(second.json, first.json);
  });

  it('refuses a key that is not 1 to 256 printable characters', async () => {
    assert.equal((await post(apis[0], 'x'.repeat(256))).status, 202);
    for (const bad of ['x'.repeat(257), 'é'])
      assert.equal((await post(apis[0], bad)).json.errors[0].code, 'idempotency_key_invalid');
  });
});
