import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant } from '../test/support/tenant.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

const SECRET = 'SG.canary-secret';

describe('provider accounts', () => {
  let sendgrid: Server;
  let sendgridUrl: string;
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;
  let count = 0;

  before(async () => {
    // As SendGrid answers GET /v3/scopes.
    sendgrid = createServer((request, response) => {
      const isGood = request.headers.authorization === `Bearer ${SECRET}`;
      response.writeHead(isGood ? 200 : 401, { 'content-type': 'application/json' });
      response.end(isGood ? '{"scopes":["mail.send"]}' : '{"errors":[{"message":"no"}]}');
    });
    await new Promise<void>((resolve) => sendgrid.listen(0, '127.0.0.1', resolve));
    sendgridUrl = `http://127.0.0.1:${(sendgrid.address() as AddressInfo).port}`;
    platform = await aPlatform({
      PUBLIC_URL: 'https://mail.example.test/',
      PROVIDER_HOSTS_ALLOWED: 'localhost:*',
      SANDBOX_URL: sendgridUrl,
    });
    api = await anApi(platform);
    ctx = await aTenant(platform);
    key = await aKey(ctx);
  });
  after(async () => {
    await api.close();
    await platform.close();
    sendgrid.closeAllConnections();
    await new Promise((resolve) => sendgrid.close(resolve));
  });

  const anInput = (change: object = {}) => {
    count += 1;
    return {
      provider: 'sendgrid',
      name: `main ${count}`,
      credentials: { apiKey: SECRET },
      ...change,
    };
  };
  const create = (change?: object, as = key) =>
    api.call('POST', '/v1/provider-accounts', { key: as, body: anInput(change) });
  async function anAccountPath(change?: object): Promise<string> {
    const { status, json, text } = await create(change);
    assert.equal(status, 201, text);
    return `/v1/provider-accounts/${json.id as string}`;
  }
  const patch = (path: string, body: object) =>
    api.call('PATCH', path, { key, body, headers: { 'if-match': '*' } });

  it('shows everything but what is secret', async () => {
    const { status, json, text, headers } = await create({
      webhook: { signingKey: Buffer.from('canary-signing').toString('base64') },
      limits: { perSecond: 10 },
      pricePerThousand: { micros: 400_000, currency: 'USD' },
    });
    assert.equal(status, 201, text);
    assert.doesNotMatch(text, /canary|Y2FuYXJ5/);
    assert.equal(headers.get('etag'), '"1"');
    assert.match(
      json.webhook.url,
      /^https:\/\/mail\.example\.test\/provider-webhooks\/sendgrid\/acc_[0-9a-z]{26}\/[A-Za-z0-9]{32}$/,
    );
    assert.deepEqual(
      [json.mode, json.settings, json.deliveryEvents, json.limits, json.webhook.hasSecrets],
      ['live', { region: 'us' }, 'full', { perSecond: 10, perDay: null }, true],
    );
    const stored = await ctx.read((em) =>
      query(em, 'SELECT row_to_json(p)::text FROM provider_accounts p'),
    );
    assert.doesNotMatch(JSON.stringify(stored), /canary/);
  });

  const refusals: [string, object, string, string][] = [
    ['an unknown provider', { provider: 'pigeon' }, '/provider', 'invalid_value'],
    ['missing credentials', { credentials: undefined }, '/credentials/apiKey', 'required'],
    [
      'a misspelt credential',
      { credentials: { apiKey: SECRET, apikey: 'x' } },
      '/credentials/apikey',
      'unknown_field',
    ],
    ['a wrong setting', { settings: { region: 'mars' } }, '/settings/region', 'invalid_value'],
    [
      'a host that is not allowed',
      { settings: { baseUrl: 'http://169.254.169.254' } },
      '/settings/baseUrl',
      'host_not_allowed',
    ],
    [
      'a relay that is not allowed',
      { provider: 'smtp', credentials: {}, settings: { host: 'evil.test' } },
      '/settings/host',
      'host_not_allowed',
    ],
    [
      'honoursCallId away from the sandbox',
      { honoursCallId: true },
      '/honoursCallId',
      'not_supported',
    ],
    [
      'webhook secrets of a provider without events',
      {
        provider: 'smtp',
        credentials: {},
        settings: { host: 'localhost' },
        webhook: { signingKey: 'x' },
      },
      '/webhook/signingKey',
      'unknown_field',
    ],
    ['a name like an id', { name: `acc_${'0'.repeat(26)}` }, '/name', 'invalid_value'],
  ];
  for (const [name, change, pointer, code] of refusals)
    it(`refuses ${name} at ${pointer}`, async () => {
      const { status, json, text } = await create(change);
      assert.equal(status, 422, text);
      const item = json.errors.find((each: { pointer: string }) => each.pointer === pointer);
      assert.equal(item?.code, code, text);
      assert.doesNotMatch(text, /canary/);
    });

  it('lets a test account reach the sandbox only', async () => {
    const testKey = await aKey(ctx, ['manage', 'read'], 'test');
    const away = await create({}, testKey);
    assert.deepEqual([away.status, away.json.errors[0].code], [422, 'host_not_allowed']);
    const there = await create(
      { settings: { baseUrl: sendgridUrl }, honoursCallId: true },
      testKey,
    );
    assert.deepEqual(
      [there.status, there.json.mode, there.json.honoursCallId],
      [201, 'test', true],
    );
    const path = `/v1/provider-accounts/${there.json.id as string}`;
    assert.equal((await api.call('GET', path, { key: testKey })).status, 200);
    assert.equal((await api.call('GET', path, { key })).status, 404);
  });

  it('checks credentials at the provider', async () => {
    const good = await anAccountPath({ settings: { baseUrl: sendgridUrl } });
    assert.deepEqual((await api.call('POST', `${good}/check`, { key })).json, {
      ok: true,
      detail: 'The key may send mail.',
    });
    const bad = await anAccountPath({
      settings: { baseUrl: sendgridUrl },
      credentials: { apiKey: 'SG.other' },
    });
    const { status, json } = await api.call('POST', `${bad}/check`, { key });
    assert.deepEqual([status, json.ok], [200, false]);
  });

  it('changes what is named and leaves the rest', async () => {
    const path = await anAccountPath({ limits: { perSecond: 5, perDay: 100 } });
    const { json } = await patch(path, {
      name: 'renamed',
      settings: { region: 'eu' },
      limits: { perDay: null },
      enabled: false,
    });
    assert.deepEqual(
      [json.name, json.settings.region, json.limits, json.enabled, json.deliveryEvents],
      ['renamed', 'eu', { perSecond: 5, perDay: null }, false, 'full'],
    );
    const cleared = await patch(path, { settings: { region: null } });
    assert.equal(cleared.json.settings.region, 'us');
    const wrong = await patch(path, { credentials: { apiKey: 'with space' } });
    assert.deepEqual([wrong.status, wrong.json.errors[0].pointer], [422, '/credentials/apiKey']);
    assert.equal((await api.call('PATCH', path, { key, body: { name: 'x' } })).status, 428);
  });

  it('wants the credentials again when the account moves to another host', async () => {
    const path = await anAccountPath({ settings: { baseUrl: 'http://localhost:1' } });
    const settings = { baseUrl: 'http://localhost:2' };
    const refused = await patch(path, { settings });
    assert.deepEqual([refused.status, refused.json.errors[0].pointer], [422, '/credentials']);
    assert.equal((await patch(path, { settings, credentials: { apiKey: SECRET } })).status, 200);
  });

  it('does not keep honoursCallId when the account leaves the sandbox', async () => {
    const path = await anAccountPath({ settings: { baseUrl: sendgridUrl }, honoursCallId: true });
    const moved = { settings: { baseUrl: null }, credentials: { apiKey: SECRET } };
    assert.equal((await patch(path, moved)).json.errors[0].pointer, '/honoursCallId');
    assert.equal((await patch(path, { ...moved, honoursCallId: false })).status, 200);
  });

  it('refuses a name that is taken', async () => {
    const { status, json } = await create({ name: 'same' }).then(() => create({ name: 'same' }));
    assert.deepEqual([status, json.code, json.errors[0].pointer], [409, 'state_conflict', '/name']);
  });

  it('lists page by page, newest first', async () => {
    const own = await aKey(await aTenant(platform));
    for (let n = 0; n < 5; n += 1) await create({ name: `n${n}` }, own);
    const names: string[] = [];
    let cursor = '';
    do {
      const { json } = await api.call('GET', `/v1/provider-accounts?limit=2${cursor}`, {
        key: own,
      });
      names.push(...json.data.map(({ name }: { name: string }) => name));
      cursor = json.nextCursor === null ? '' : `&cursor=${json.nextCursor as string}`;
    } while (cursor !== '');
    assert.deepEqual(names, ['n4', 'n3', 'n2', 'n1', 'n0']);
  });
});
