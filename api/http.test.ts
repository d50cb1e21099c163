import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import { createOperatorKey } from '../services/tenants/operator-keys.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';
import { routes } from './routes/index.ts';

const mail = { from: 'hello@acme.test', to: 'ada@example.test', subject: 'Hello', text: 'Hello' };

describe('HTTP rules', () => {
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;

  before(async () => {
    platform = await aPlatform();
    api = await anApi(platform);
    ctx = await aTenant(platform);
    await anAccount(ctx);
    key = await aKey(ctx);
  });
  after(async () => {
    await api.close();
    await platform.close();
  });

  /** Sends bytes as they are and gives everything that comes back until the end. */
  async function raw(...parts: string[]): Promise<string> {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.setEncoding('utf8');
    let answer = '';
    socket.on('data', (text: string) => (answer += text));
    const closed = once(socket, 'close');
    for (const part of parts)
      if (!socket.destroyed && !socket.write(part))
        await Promise.race([once(socket, 'drain'), closed]);
    await closed;
    return answer;
  }

  it('takes a plain X-Request-Id and replaces any other', async () => {
    const given = await api.call('GET', '/v1/me', { key, headers: { 'x-request-id': 'abc-1_Z' } });
    assert.equal(given.headers.get('x-request-id'), 'abc-1_Z');
    const bad = await api.call('GET', '/v1/me', { key, headers: { 'x-request-id': 'a b' } });
    assert.match(bad.headers.get('x-request-id')!, /^req_[0-9a-z]{26}$/);
    const refused = await api.call('GET', '/nowhere', { headers: { 'x-request-id': 'mine' } });
    assert.equal(refused.json.requestId, 'mine');
  });

  it('returns a valid traceparent and stores it on the message', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const sent = await api.call('POST', '/v1/messages', {
      key,
      body: mail,
      headers: { traceparent },
    });
    assert.equal(sent.headers.get('traceparent'), traceparent);
    const { json } = await api.call('GET', `/v1/messages/${sent.json.id}`, { key });
    assert.equal(json.traceparent, traceparent);
    for (const bad of [
      '00-0-0-01',
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      traceparent.toUpperCase(),
    ]) {
      const answer = await api.call('GET', '/v1/me', { key, headers: { traceparent: bad } });
      assert.equal(answer.headers.get('traceparent'), null);
    }
  });

  it('refuses calls without a key that is good for them', async () => {
    const { secret: operator } = await createOperatorKey(platform, 'test');
    const cases: [Record<string, string>, number, string][] = [
      [{}, 401, 'unauthenticated'],
      [{ authorization: 'Basic abc' }, 401, 'unauthenticated'],
      [{ authorization: `Bearer ep_live_${'x'.repeat(40)}` }, 401, 'unauthenticated'],
      [{ authorization: `Bearer ${operator}` }, 403, 'scope_missing'],
      [{ authorization: `Bearer ${await aKey(ctx, ['read'])}` }, 403, 'scope_missing'],
    ];
    for (const [headers, status, code] of cases) {
      const answer = await api.call('POST', '/v1/messages', { body: mail, headers });
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    }
  });

  it('asks for the scope of each operation, and for a key in all of them', async () => {
    const none = await aKey(ctx, []);
    for (const route of routes) {
      const path = route.path.replaceAll(/:\w+/g, 'x');
      const method = route.method.toUpperCase();
      assert.equal((await api.call(method, path)).status, 401, route.operationId);
      const answer = await api.call(method, path, { key: none });
      assert.equal(answer.status, route.scope === null ? 200 : 403, route.operationId);
    }
  });

  it('answers 404 for unknown paths and 405 with Allow for unknown methods', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v1/message',
      '/V1/messages',
      '/v1/messages/',
      '/v1/messages/%E0%A4%A',
    ])
      assert.deepEqual((await api.call('GET', path, { key })).json?.code, 'not_found', path);
    const { status, headers, json } = await api.call('DELETE', '/v1/messages', { key });
    assert.deepEqual(
      [status, headers.get('allow'), json.code],
      [405, 'POST, GET', 'method_not_allowed'],
    );
  });

  it('takes JSON in UTF-8 only', async () => {
    const send = (body: string | Buffer, headers: Record<string, string>) =>
      fetch(`${api.url}/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, ...headers },
        body: new Uint8Array(Buffer.from(body)),
      });
    const json = JSON.stringify(mail);
    const type = { 'content-type': 'application/json' };
    const cases: [string | Buffer, Record<string, string>, number][] = [
      [json, type, 202],
      [json, { 'content-type': 'application/json; charset=UTF-8' }, 202],
      [json, { 'content-type': 'application/problem+json' }, 202],
      [json, { 'content-type': 'text/plain' }, 415],
      [json, { 'content-type': 'application/json; charset=latin1' }, 415],
      [gzipSync(json), { ...type, 'content-encoding': 'gzip' }, 415],
      ['{', type, 400],
      ['{"a":1,}', type, 400],
      [Buffer.from([0x22, 0xff, 0x22]), type, 400],
      ['[]', type, 422],
      ['null', type, 422],
    ];
    for (const [body, headers, status] of cases)
      assert.equal(
        (await send(body, headers)).status,
        status,
        `${JSON.stringify(headers)} ${status}`,
      );
  });

  it('says where the JSON breaks, if the parser knows', async () => {
    const { json } = await api.call('POST', '/v1/messages', { key, body: '{\n  "a": 1,\n}' });
    assert.match(json.detail, /line 3, column 1/);
  });

  it('refuses JSON that is too deep or has too many parts before it is parsed', async () => {
    const deep = `{"variables":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const wide = `{"variables":{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":0`).join()}}}`;
    const long = `{"to":[${'0,'.repeat(100_001)}0]}`;
    for (const body of [deep, wide, long]) {
      const { status, json } = await api.call('POST', '/v1/messages', { key, body });
      assert.deepEqual([status, json.code], [413, 'too_large']);
    }
    const fine = `{"variables":${'['.repeat(63)}${']'.repeat(63)}}`;
    assert.equal((await api.call('POST', '/v1/messages', { key, body: fine })).status, 422);
  });

  it('refuses a body above the limit, announced or not, in an answer that is seen', async () => {
    const announced = await api.call('POST', '/v1/templates', {
      key,
      body: 'x'.repeat(1024 * 1024 + 1),
    });
    assert.deepEqual([announced.status, announced.json.code], [413, 'too_large']);
    const head = `POST /v1/templates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`;
    const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
    const unannounced = await raw(
      `${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
      ...Array<string>(6).fill(chunk),
      '0\r\n\r\n',
    );
    assert.match(unannounced, /^HTTP\/1\.1 413 [^]*too_large/);
  });

  it('does not wait for the body of a call without a key', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      'POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n{"from"',
    );
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(1_000) })) as [
      Buffer,
    ];
    socket.destroy();
    assert.match(answer.toString(), /^HTTP\/1\.1 401 /);
  });

  it('answers what is not HTTP, or has too large headers, with a problem', async () => {
    assert.match(await raw('NONSENSE\r\n\r\n'), /^HTTP\/1\.1 400 [^]*malformed_request/);
    const huge = `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`;
    assert.match(await raw(huge), /^HTTP\/1\.1 431 [^]*headers_too_large/);
  });

  it('names unknown, repeated and wrong query parameters', async () => {
    const cases: [string, string, string][] = [
      ['?limt=5', '/limt', 'unknown_field'],
      ['?limit=0', '/limit', 'too_small'],
      ['?limit=201', '/limit', 'too_big'],
      ['?limit=x', '/limit', 'invalid_type'],
      ['?limit=1&limit=2', '/limit', 'duplicate'],
      ['?cursor=zzz', '/cursor', 'cursor_invalid'],
      ['?since=yesterday', '/since', 'invalid_format'],
      ['?status=gone', '/status', 'invalid_value'],
      ['?tag=%00', '/tag', 'character_invalid'],
      ['?mode=test', '/mode', 'mode_of_key'],
      ['?__proto__=1', '/__proto__', 'unknown_field'],
    ];
    for (const [query, pointer, code] of cases) {
      const { status, json } = await api.call('GET', `/v1/messages${query}`, { key });
      assert.equal(status, 422, query);
      assert.deepEqual([json.errors[0].pointer, json.errors[0].code], [pointer, code], query);
    }
  });

  it('ends a key within a second of its revocation', async () => {
    const { json: made } = await api.call('POST', '/v1/api-keys', {
      key,
      body: { name: 'short', scopes: ['read'] },
    });
    assert.equal((await api.call('GET', '/v1/me', { key: made.secret })).status, 200);
    await api.call('POST', `/v1/api-keys/${made.id}/revoke`, { key });
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    assert.equal((await api.call('GET', '/v1/me', { key: made.secret })).status, 401);
  });
});
