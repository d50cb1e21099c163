import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { cuttable } from '../test/support/cuttable.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import { query } from '../runtime/database.ts';
import { toPublicId } from '../domain/ids.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

const mail = { from: 'hello@acme.test', to: 'ada@example.test', subject: 'Hello', text: 'Hello' };

describe('while PostgreSQL is away', () => {
  let way: Awaited<ReturnType<typeof cuttable>>;
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;
  let webhook: string;
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  before(async () => {
    way = await cuttable(new URL(process.env['TEST_DATABASE_URL']!));
    platform = await aPlatform({ DATABASE_URL: way.url.href });
    api = await anApi(platform, 6_000);
    ctx = await aTenant(platform);
    const signingKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const account = await anAccount(ctx, { signingKey });
    webhook = `/provider-webhooks/sendgrid/${toPublicId('providerAccount', account)}/token`;
    key = await aKey(ctx);
  });
  after(async () => {
    await api.close();
    await platform.close();
    await way.close();
  });

  const send = () =>
    api.call('POST', '/v1/messages', { key, body: mail, headers: { 'idempotency-key': 'outage' } });
  function post(body: string) {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const signature = sign('sha256', Buffer.from(timestamp + body), pair.privateKey);
    return fetch(api.url + webhook, {
      method: 'POST',
      body,
      headers: {
        'x-twilio-email-event-webhook-timestamp': timestamp,
        'x-twilio-email-event-webhook-signature': signature.toString('base64'),
      },
    });
  }
  const count = (table: string) =>
    ctx.read(async (em) => {
      const [row] = await query<{ n: number }>(em, `SELECT count(*)::int AS n FROM ${table}`);
      return row!.n;
    });

  it('answers 503 with Retry-After within a second, and works again by itself', async () => {
    assert.equal((await api.call('GET', '/v1/me', { key })).status, 200);
    await way.cut();
    try {
      // The key is remembered for a second: both ways of failing are met.
      for (let round = 0; round < 6; round += 1) {
        const from = Date.now();
        const { status, json, headers } = await send();
        assert.deepEqual(
          [status, json.code, headers.get('retry-after')],
          [503, 'unavailable', '1'],
        );
        assert.ok(Date.now() - from < 1_000, `${Date.now() - from} ms`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      const ready = await fetch(`${api.url}/readyz`);
      const health = (await ready.json()) as { parts: Record<string, { ok: boolean }> };
      assert.deepEqual([ready.status, health.parts['postgresApp']?.ok], [503, false]);
      assert.equal((await fetch(`${api.url}/livez`)).status, 200);
    } finally {
      await way.mend();
    }
    assert.equal(await count('messages'), 0);
    assert.equal((await send()).status, 202);
    assert.equal((await fetch(`${api.url}/readyz`)).status, 200);
  });

  it('keeps provider webhooks in files, until they are full, and moves them to the inbox later', async () => {
    assert.equal((await post('[0]')).status, 200); // the account is in memory from now on
    const before = await count('webhook_inbox');
    await way.cut();
    const answers: number[] = [];
    try {
      for (let n = 1; n <= 12; n += 1) answers.push((await post(`[${'1'.repeat(500)}]`)).status);
      const forged = await fetch(api.url + webhook, { method: 'POST', body: '[1]' });
      assert.equal(forged.status, 403);
    } finally {
      await way.mend();
    }
    const stored = answers.filter((status) => status === 200).length;
    assert.ok(stored > 0 && stored < 12, JSON.stringify(answers));
    assert.deepEqual(answers.slice(stored), Array<number>(12 - stored).fill(503));
    assert.equal(await api.spool.drain(), stored);
    assert.equal(await count('webhook_inbox'), before + stored);
    assert.equal((await post('[2]')).status, 200);
  });
});
