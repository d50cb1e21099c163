import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant } from '../test/support/tenant.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

describe('POST /provider-webhooks', () => {
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;
  let privateKey: KeyObject;
  let account: { id: string; webhook: { url: string } };
  let path: string;

  before(async () => {
    platform = await aPlatform({ PUBLIC_URL: 'https://mail.example.test' });
    api = await anApi(platform, 4_000);
    ctx = await aTenant(platform);
    key = await aKey(ctx);
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    privateKey = pair.privateKey;
    const signingKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const { json } = await api.call('POST', '/v1/provider-accounts', {
      key,
      body: {
        provider: 'sendgrid',
        name: 'main',
        credentials: { apiKey: 'SG.x' },
        webhook: { signingKey },
      },
    });
    account = json;
    path = new URL(account.webhook.url).pathname;
  });
  after(async () => {
    await api.close();
    await platform.close();
  });

  function signed(body: string): Record<string, string> {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    return {
      'x-twilio-email-event-webhook-timestamp': timestamp,
      'x-twilio-email-event-webhook-signature': sign(
        'sha256',
        Buffer.from(timestamp + body),
        privateKey,
      ).toString('base64'),
    };
  }
  const post = (at: string, body: string, headers: Record<string, string> = signed(body)) =>
    fetch(api.url + at, { method: 'POST', body, headers });
  const countInbox = () =>
    ctx.read(async (em) => {
      const [row] = await query<{ n: number }>(em, 'SELECT count(*)::int AS n FROM webhook_inbox');
      return row!.n;
    });

  it('stores what is authentic, and only that', async () => {
    assert.equal((await post(path, '[{"event":"delivered"}]')).status, 200);
    assert.equal(await countInbox(), 1);
    assert.equal((await post(path, '[]', {})).status, 403);
    assert.equal((await post(path, '[1]', signed('[2]'))).status, 403);
    assert.equal(await countInbox(), 1);
  });

  it('answers 404 for a wrong token, account or provider', async () => {
    for (const wrong of [
      path.replace(/\w+$/, 'wrong'),
      path.replace(/acc_\w+/, `acc_${'0'.repeat(26)}`),
      path.replace('sendgrid', 'smtp'),
      path.replace('sendgrid', 'pigeon'),
    ])
      assert.equal((await post(wrong, '[]')).status, 404, wrong);
  });

  it('refuses more than 2 MB, and other methods', async () => {
    assert.equal((await post(path, 'x'.repeat(2 * 1024 * 1024 + 1), {})).status, 413);
    assert.equal((await fetch(api.url + path)).status, 405);
  });

  it('takes two tokens while one replaces the other', async () => {
    const rotate = () =>
      api.call('POST', `/v1/provider-accounts/${account.id}/rotate-webhook-token`, { key });
    const other = await aPlatform(); // has nothing of the account in memory
    const fresh = await anApi(other);
    const at = (url: string) => fetch(url, { method: 'POST', body: '[3]', headers: signed('[3]') });
    try {
      const next = new URL((await rotate()).json.webhook.url as string).pathname;
      assert.notEqual(next, path);
      assert.equal((await at(fresh.url + path)).status, 200);
      assert.equal((await at(fresh.url + next)).status, 200);
      await rotate();
    } finally {
      await fresh.close();
      await other.close();
    }
    const third = await aPlatform();
    const last = await anApi(third);
    assert.equal((await at(last.url + path)).status, 404);
    await last.close();
    await third.close();
  });
});
