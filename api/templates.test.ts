import assert from 'node:assert/strict';
import { anApi, aKey, type TestApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import type { ServiceContext } from '../services/context.ts';
import type { Platform } from '../services/platform.ts';

describe('templates', () => {
  let platform: Platform;
  let api: TestApi;
  let ctx: ServiceContext;
  let key: string;
  let count = 0;

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

  const post = (path: string, body?: unknown) => api.call('POST', path, { key, body });
  const patch = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    api.call('PATCH', path, { key, body, headers });
  /** Path of a new template with a draft. */
  async function aDraft(content: object = {}): Promise<string> {
    count += 1;
    const { json } = await post('/v1/templates', { key: `welcome-${count}`, name: 'Welcome' });
    const path = `/v1/templates/${json.id as string}`;
    const draft = await post(`${path}/versions`, {
      subject: 'Hello {{ name }}',
      html: '<p>Hello {{ name }}</p>',
      ...content,
    });
    assert.equal(draft.status, 201, draft.text);
    return path;
  }

  it('numbers versions 1, 2, 3 also when they are made at once', async () => {
    const path = await aDraft();
    const versions = await Promise.all(
      Array.from({ length: 5 }, () => post(`${path}/versions`, { subject: 's', text: 't' })),
    );
    const numbers = versions.map(({ json }) => json.number as number);
    assert.deepEqual(numbers.sort(), [2, 3, 4, 5, 6]);
    const page = await api.call('GET', `${path}/versions?limit=4`, { key });
    assert.deepEqual(
      page.json.data.map((v: { number: number }) => v.number),
      [6, 5, 4, 3],
    );
    const rest = await api.call(
      'GET',
      `${path}/versions?cursor=${page.json.nextCursor as string}`,
      { key },
    );
    assert.deepEqual(
      rest.json.data.map((v: { number: number }) => v.number),
      [2, 1],
    );
    assert.equal(rest.json.nextCursor, null);
  });

  it('publishes: the version never changes again, the text comes from the HTML', async () => {
    const path = await aDraft();
    const drafted = await patch(`${path}/versions/1`, {
      preheader: 'Soon',
      sample: { name: 'Ada' },
    });
    assert.deepEqual([drafted.status, drafted.json.preheader], [200, 'Soon']);
    const published = await post(`${path}/versions/1/publish`);
    assert.deepEqual([published.status, published.json.text], [200, 'Hello {{ name }}']);
    assert.match(published.json.publishedBy, /^key_/);
    const changed = await patch(`${path}/versions/1`, { subject: 'Other' });
    assert.deepEqual([changed.status, changed.json.code], [409, 'state_conflict']);
    assert.equal((await post(`${path}/versions/1/publish`)).status, 409);
    assert.equal((await api.call('GET', path, { key })).json.publishedVersion, 1);
  });

  it('is used by messages once published, pinned at acceptance', async () => {
    const path = await aDraft();
    const { json: template } = await api.call('GET', path, { key });
    const mail = {
      from: 'hello@acme.test',
      to: 'ada@example.test',
      template: { key: template.key as string },
      variables: { name: 'Ada' },
      scheduledAt: '2099-01-01T00:00:00Z',
    };
    const early = await post('/v1/messages', mail);
    assert.equal(early.json.errors[0].code, 'template_unpublished');
    await post(`${path}/versions/1/publish`);
    const sent = await post('/v1/messages', { ...mail, template: { id: template.id as string } });
    assert.equal(sent.status, 202, sent.text);
    await post(`${path}/versions`, { subject: 'New', text: 'New' });
    await post(`${path}/versions/2/publish`);
    const { json } = await api.call('GET', `/v1/messages/${sent.json.id as string}`, { key });
    assert.deepEqual(
      [json.template, json.subject],
      [{ key: template.key, version: 1 }, 'Hello Ada'],
    );
  });

  it('tells mistakes with part, line, column and a hint', async () => {
    const path = await aDraft();
    const { status, json } = await post(`${path}/versions`, {
      subject: 'Hello {{ name | uper }}',
      html: '<p>\n{% if x %}\n</p>',
      variablesSchema: { type: 'nonsense' },
    });
    assert.equal(status, 422);
    const at = (pointer: string) =>
      json.errors.find((item: { pointer: string }) => item.pointer === pointer);
    assert.equal(at('/subject').code, 'template_error');
    assert.deepEqual([at('/subject').line, typeof at('/subject').column], [1, 'number']);
    assert.match(at('/subject').excerpt, /uper/);
    assert.match(JSON.stringify(at('/subject')), /upper/);
    assert.equal(at('/html').code, 'template_error');
    assert.equal(at('/variablesSchema').code, 'schema_invalid');
  });

  it('checks a change of a draft together with what stays', async () => {
    const path = await aDraft();
    const bare = await patch(`${path}/versions/1`, { html: null });
    assert.deepEqual([bare.status, bare.json.errors[0].pointer], [422, '/html']);
    const broken = await patch(`${path}/versions/1`, { text: '{{' });
    assert.deepEqual([broken.status, broken.json.errors[0].pointer], [422, '/text']);
  });

  it('previews a draft and a published version', async () => {
    const path = await aDraft({
      variablesSchema: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' } },
      },
      sample: { name: 'Sample' },
    });
    const sample = await post(`${path}/preview`);
    assert.deepEqual(
      [sample.json.subject, sample.json.html, sample.json.text],
      ['Hello Sample', '<p>Hello Sample</p>', 'Hello Sample'],
    );
    assert.equal(sample.json.sizeBytes, 12 + 19 + 12);
    const missing = await post(`${path}/preview`, { variables: {} });
    assert.deepEqual(
      [missing.status, missing.json.errors[0].pointer, missing.json.errors[0].code],
      [422, '/variables/name', 'variable_missing'],
    );
    // A changed schema of a draft is not mistaken for the one before.
    await patch(`${path}/versions/1`, { variablesSchema: { type: 'object', required: ['plan'] } });
    const other = await post(`${path}/preview`, { variables: { name: 'Ada' } });
    assert.equal(other.json.errors[0].pointer, '/variables/plan');
    await patch(`${path}/versions/1`, { variablesSchema: null, sample: null });
    const undefinedName = await post(`${path}/preview`, { variables: {} });
    assert.deepEqual(
      [undefinedName.json.errors[0].pointer, undefinedName.json.errors[0].code],
      ['/subject', 'variable_missing'],
    );
    const big = await aDraft({ html: `<p>${'x'.repeat(110_000)}</p>`, subject: 's' });
    assert.equal((await post(`${big}/preview`)).json.warnings[0].code, 'clipped_by_gmail');
    assert.equal((await post(`${path}/preview`, { version: 7 })).status, 404);
  });

  it('wants If-Match for changes, and the right one', async () => {
    const path = await aDraft();
    const { headers, json } = await api.call('GET', path, { key });
    const etag = headers.get('etag')!;
    assert.equal(etag, `"${json.etag as string}"`);
    const none = await patch(path, { name: 'New' });
    assert.deepEqual([none.status, none.json.code], [428, 'etag_required']);
    const changed = await patch(path, { name: 'New' }, { 'if-match': etag });
    assert.deepEqual([changed.status, changed.json.name], [200, 'New']);
    assert.notEqual(changed.headers.get('etag'), etag);
    for (const stale of [etag, 'W/"1"', 'x']) {
      const late = await patch(path, { name: 'Newer' }, { 'if-match': stale });
      assert.deepEqual([late.status, late.json.code], [412, 'etag_mismatch']);
    }
    assert.equal((await patch(path, { name: 'Any' }, { 'if-match': '*' })).status, 200);
  });

  it('refuses a key that is taken, also when two come at once', async () => {
    const both = await Promise.all(
      [1, 2].map(() => post('/v1/templates', { key: 'taken', name: 'Taken' })),
    );
    assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409]);
    const refused = both.find(({ status }) => status === 409)!;
    assert.deepEqual(
      [refused.json.code, refused.json.errors[0].pointer],
      ['state_conflict', '/key'],
    );
  });

  it('archives: nothing new is made of it', async () => {
    const path = await aDraft();
    await post(`${path}/versions/1/publish`);
    const archived = await post(`${path}/archive`);
    assert.notEqual(archived.json.archivedAt, null);
    assert.deepEqual((await post(`${path}/archive`)).json, archived.json);
    assert.equal((await post(`${path}/versions`, { subject: 's', text: 't' })).status, 409);
  });

  it('is not there for other tenants', async () => {
    const path = await aDraft();
    const stranger = await aKey(await aTenant(platform));
    const body = { subject: 's', text: 't' };
    const calls: [string, string, object?][] = [
      ['GET', path],
      ['PATCH', path, { name: 'x' }],
      ['POST', `${path}/archive`],
      ['POST', `${path}/preview`, {}],
      ['POST', `${path}/versions`, body],
      ['GET', `${path}/versions`],
      ['GET', `${path}/versions/1`],
      ['PATCH', `${path}/versions/1`, body],
      ['POST', `${path}/versions/1/publish`],
    ];
    for (const [method, at, sent] of calls) {
      const headers = { 'if-match': '*' };
      const answer = await api.call(method, at, { key: stranger, body: sent, headers });
      assert.deepEqual([answer.status, answer.json.code], [404, 'not_found'], `${method} ${at}`);
    }
    assert.deepEqual((await api.call('GET', '/v1/templates', { key: stranger })).json.data, []);
  });

  it('leaves an entry in the audit log for every change', async () => {
    const path = await aDraft();
    await api.call('POST', `${path}/versions/1/publish`, {
      key,
      headers: { 'x-request-id': 'publish-1' },
    });
    const { json } = await api.call('GET', '/v1/audit-log?limit=3', { key });
    const id = path.split('/').at(-1);
    assert.deepEqual(
      json.data.map((entry: { action: string; subject: string }) => [entry.action, entry.subject]),
      [
        ['template_version.published', id],
        ['template_version.created', id],
        ['template.created', id],
      ],
    );
    assert.equal(json.data[0].requestId, 'publish-1');
    assert.match(json.data[0].actor, /^key_/);
  });
});
