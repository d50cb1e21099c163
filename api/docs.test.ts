import assert from 'node:assert/strict';
import { anApi, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import type { Platform } from '../services/platform.ts';
import { routes } from './routes/index.ts';

describe('what the API tells about itself', () => {
  let platform: Platform;
  let api: TestApi;

  before(async () => {
    platform = await aPlatform();
    api = await anApi(platform);
  });
  after(async () => {
    await api.close();
    await platform.close();
  });

  it('describes every route in OpenAPI 3.1, with references that lead somewhere', async () => {
    const { json, text, headers } = await api.call('GET', '/openapi.json');
    assert.match(headers.get('content-type')!, /^application\/json/);
    assert.equal(json.openapi, '3.1.0');
    for (const { path, method, operationId } of routes) {
      const operation = json.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method];
      assert.equal(operation.operationId, operationId);
      assert.ok(operation.responses.default);
    }
    assert.equal(new Set(routes.map(({ operationId }) => operationId)).size, routes.length);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
      assert.ok(json.components.schemas[name!], name);
    const input = json.components.schemas.MessageInput;
    assert.deepEqual(input.required, ['from', 'to']);
    assert.equal(input.additionalProperties, false);
  });

  it('shows every operation on a page that needs nothing else', async () => {
    const { text, headers } = await api.call('GET', '/docs');
    const policy = headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'/);
    assert.equal(/<script|<link|<img|src=|\son\w+="/.exec(text), null);
    for (const { operationId } of routes)
      assert.ok(text.includes(`id="${operationId}"`), operationId);
    assert.ok(text.includes('curl -X POST http://127.0.0.1:3000/v1/messages'));
    assert.ok(text.includes('&quot;from&quot;: &quot;Acme &lt;hello@acme.test&gt;&quot;'));
  });

  it('names each part in /readyz and counts requests by route in /metrics', async () => {
    const { json } = await api.call('GET', '/readyz');
    assert.deepEqual(Object.keys(json.parts), [
      'postgresApp',
      'postgresRelay',
      'renderer',
      'temporal',
      'clickhouse',
    ]);
    assert.ok(
      Object.values<{ ok: boolean }>(json.parts).every(({ ok }) => ok),
      JSON.stringify(json),
    );
    await api.call('GET', '/v1/messages/msg_secret?to=canary@example.test');
    const { text } = await api.call('GET', '/metrics');
    assert.match(text, /http_request_ms_count\{[^}]*route="\/v1\/messages\/:id"[^}]*\} 1/);
    assert.doesNotMatch(text, /canary|msg_secret/);
  });

  it('is ready without Temporal and ClickHouse, and says so', async () => {
    const lonely = await aPlatform({
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      CLICKHOUSE_URL: 'http://127.0.0.1:1',
    });
    const other = await anApi(lonely);
    const { status, json } = await other.call('GET', '/readyz');
    await other.close();
    await lonely.close();
    assert.equal(status, 200);
    assert.deepEqual([json.parts.temporal.ok, json.parts.clickhouse.ok], [false, false]);
  });
});
