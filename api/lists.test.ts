import assert from 'node:assert/strict';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import type { Platform } from '../services/platform.ts';

describe('GET /v1/messages', () => {
  let platform: Platform;
  let api: TestApi;
  let key: string;
  const ids: string[] = [];
  const FORMULA = '=HYPERLINK("http://evil.test","x")';

  before(async () => {
    platform = await aPlatform();
    api = await anApi(platform);
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    key = await aKey(ctx);
    for (let n = 0; n < 7; n += 1) {
      const { json, text } = await api.call('POST', '/v1/messages', {
        key,
        body: {
          from: 'hello@acme.test',
          to: `Person ${n} <p${n}@example.test>`,
          subject: n === 0 ? FORMULA : `Subject, ${n}`,
          text: 'x',
          tags: [n % 2 === 0 ? 'even' : 'odd'],
          metadata: { order: String(n), 'a.b': 'dotted' },
          scheduledAt: '2099-01-01T00:00:00Z',
          stream: n === 3 ? 'marketing' : 'transactional',
        },
      });
      assert.ok(json.id, text);
      ids.unshift(json.id);
    }
  });
  after(async () => {
    await api.close();
    await platform.close();
  });

  const get = (query: string, headers: Record<string, string> = {}) =>
    api.call('GET', `/v1/messages${query}`, { key, headers });
  const idsOf = ({ json }: { json: { data: { id: string }[] } }) => json.data.map(({ id }) => id);

  it('pages newest first, unmoved by what comes in', async () => {
    const first = await get('?limit=3');
    assert.deepEqual(idsOf(first), ids.slice(0, 3));
    const second = await get(`?limit=3&cursor=${first.json.nextCursor as string}`);
    const third = await get(`?limit=3&cursor=${second.json.nextCursor as string}`);
    assert.deepEqual([...idsOf(second), ...idsOf(third)], ids.slice(3));
    assert.equal(third.json.nextCursor, null);
  });

  it('filters', async () => {
    const cases: [string, number[]][] = [
      ['?status=scheduled&limit=1', [6]],
      ['?status=sent', []],
      ['?recipientStatus=pending&tag=odd', [5, 3, 1]],
      ['?to=P4@example.test', [4]],
      ['?metadata.order=2', [2]],
      ['?metadata.order=2&metadata.a.b=dotted', [2]],
      ['?metadata.order=2&metadata.a.b=other', []],
      ['?stream=marketing', [3]],
      ['?mode=live&tag=even', [6, 4, 2, 0]],
      ['?template=none', []],
      ['?account=none', []],
      ['?providerMessageId=none', []],
      ["?tag=x' OR true --", []],
      ['?since=2099-01-01T00:00:00Z', []],
      ['?until=2000-01-01T00:00:00%2B01:00', []],
    ];
    for (const [query, expected] of cases) {
      const answer = await get(query);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(
        idsOf(answer),
        expected.map((n) => ids[6 - n]),
        query,
      );
    }
  });

  it('gives the whole list as NDJSON, or one page of it', async () => {
    const accept = { accept: 'application/x-ndjson' };
    const all = await get('', accept);
    assert.equal(all.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
    const lines = all.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string });
    assert.deepEqual(
      lines.map(({ id }) => id),
      ids,
    );
    const page = await get('?limit=2', accept);
    assert.equal(page.text.trimEnd().split('\n').length, 2);
    const rest = await get(`?limit=200&cursor=${page.headers.get('x-next-cursor')!}`, accept);
    assert.equal(rest.text.trimEnd().split('\n').length, 5);
    assert.equal((await get('?limit=x', accept)).status, 422);
  });

  it('gives a list of several pages to its end', async () => {
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    const own = await aKey(ctx);
    const body = { from: 'hello@acme.test', to: 'a@example.test', subject: 's', text: 't' };
    const later = { ...body, scheduledAt: '2099-01-01T00:00:00Z' };
    for (let n = 0; n < 210; n += 15)
      await Promise.all(
        Array.from({ length: 15 }, () =>
          api.call('POST', '/v1/messages', { key: own, body: later }),
        ),
      );
    const headers = { accept: 'application/x-ndjson' };
    const { text } = await api.call('GET', '/v1/messages', { key: own, headers });
    assert.equal(new Set(text.trimEnd().split('\n')).size, 210);
  });

  it('gives CSV that no spreadsheet runs', async () => {
    const { text, headers } = await get('', { accept: 'text/csv' });
    assert.equal(headers.get('content-type'), 'text/csv; charset=utf-8');
    const lines = text.trimEnd().split('\r\n');
    assert.equal(lines.length, 8);
    assert.match(lines[0]!, /^id,status,reason,mode,stream,from,recipients/);
    assert.match(lines[1]!, /"Subject, 6"/);
    assert.match(lines[7]!, /,"'=HYPERLINK\(""http:\/\/evil\.test"",""x""\)",/);
  });

  it('gives JSON to whoever takes anything', async () => {
    for (const accept of ['*/*', 'text/html', 'text/csv;q=0.5, application/json'])
      assert.match((await get('', { accept })).headers.get('content-type')!, /^application\/json/);
  });

  it('has the other lists too', async () => {
    const balance = await api.call('GET', '/v1/balance', { key });
    assert.deepEqual([balance.json.accepted, balance.json.recipients.pending], [7, 7]);
    assert.equal(balance.json.unexplained, 0);
    const events = await api.call('GET', '/v1/events?type=delivered&raw=true', { key });
    assert.deepEqual(events.json, { data: [], nextCursor: null });
    const csv = await api.call('GET', '/v1/events', { key, headers: { accept: 'text/csv' } });
    assert.match(csv.text, /^id,type,at,receivedAt,/);
    const me = await api.call('GET', '/v1/me', { key });
    assert.deepEqual([me.json.apiKey.mode, me.json.tenant.state], ['live', 'active']);
  });
});

describe('API keys and sending domains', () => {
  let platform: Platform;
  let api: TestApi;
  let key: string;
  let testKey: string;

  before(async () => {
    platform = await aPlatform();
    api = await anApi(platform);
    const ctx = await aTenant(platform);
    key = await aKey(ctx);
    testKey = await aKey(ctx, ['manage', 'read'], 'test');
  });
  after(async () => {
    await api.close();
    await platform.close();
  });
  const newKey = (body: object, as = key) => api.call('POST', '/v1/api-keys', { key: as, body });

  it('shows the secret of a key once', async () => {
    const { status, json } = await newKey({ name: 'ci', scopes: ['read', 'send'] });
    assert.equal(status, 201);
    assert.match(json.secret, /^ep_live_[A-Za-z0-9]{40}$/);
    assert.deepEqual([json.hint, json.scopes], [json.secret.slice(0, 12), ['send', 'read']]);
    const list = await api.call('GET', '/v1/api-keys', { key });
    assert.equal(list.text.includes(json.secret as string), false);
    assert.equal(list.json.data[0].id, json.id);
  });

  it('lets no key hand out more than it has', async () => {
    const cases: [object, string][] = [
      [{ name: 'x', scopes: ['send'] }, testKey],
      [{ name: 'x', scopes: ['read'], mode: 'live' }, testKey],
    ];
    for (const [body, as] of cases) {
      const { status, json } = await newKey(body, as);
      assert.deepEqual([status, json.code], [403, 'scope_missing']);
    }
    assert.equal((await newKey({ name: 'x', scopes: ['read'] }, testKey)).json.mode, 'test');
    assert.equal((await newKey({ name: 'x', scopes: ['read'], mode: 'test' })).json.mode, 'test');
    const { json } = await newKey({ name: 'x', scopes: ['read'] });
    const revoke = `/v1/api-keys/${json.id as string}/revoke`;
    assert.equal((await api.call('POST', revoke, { key: testKey })).status, 404);
  });

  it('adds a sending domain once, in lower case', async () => {
    const add = (domain: string) =>
      api.call('POST', '/v1/sending-domains', { key, body: { domain } });
    const added = await add('Mail.Example.TEST');
    assert.deepEqual(
      [added.status, added.json.domain, added.json.state],
      [201, 'mail.example.test', 'unverified'],
    );
    assert.equal((await add('mail.example.test')).json.errors[0].code, 'taken');
    for (const bad of ['nonsense', 'a..test', '-a.test', 'a@b.test', ' a.test'])
      assert.equal((await add(bad)).json.errors[0].code, 'domain_invalid', bad);
    const one = await api.call('GET', `/v1/sending-domains/${added.json.id as string}`, { key });
    assert.deepEqual(one.json, added.json);
  });
});
