import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toPublicId } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aTenant, anAccount } from '../../test/support/tenant.ts';
import type { ServiceContext } from '../context.ts';
import type { Platform } from '../platform.ts';
import type { ReceivedPost } from './receive-webhook.ts';
import { openSpool } from './spool.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signingKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

describe('the spool of provider webhooks', () => {
  let platform: Platform;
  let folder: string;
  let isAway = false;
  /** The same platform, whose PostgreSQL can be taken away. */
  let shaky: Platform;
  before(async () => {
    platform = await aPlatform();
    const gone = () =>
      Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const { inTenant, transaction } = platform.app;
    shaky = {
      ...platform,
      app: {
        ...platform.app,
        inTenant: (...call) => (isAway ? gone() : inTenant(...call)),
        transaction: (...call) => (isAway ? gone() : transaction(...call)),
      },
    };
  });
  beforeEach(async () => {
    isAway = false;
    folder = await mkdtemp(join(tmpdir(), 'spool-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  after(() => platform.close());

  async function aPost(
    change: Partial<ReceivedPost> = {},
  ): Promise<{ ctx: ServiceContext; post: ReceivedPost }> {
    const ctx = await aTenant(platform);
    const id = await anAccount(ctx, { signingKey });
    const body = Buffer.from(
      JSON.stringify([
        {
          event: 'delivered',
          email: 'ada@example.test',
          sg_event_id: randomUUID(),
          timestamp: 1_790_000_000,
        },
      ]),
    );
    const headers = {
      'x-twilio-email-event-webhook-timestamp': '1790000000',
      'x-twilio-email-event-webhook-signature': createSign('sha256')
        .update('1790000000')
        .update(body)
        .sign(privateKey, 'base64'),
    };
    const account = toPublicId('providerAccount', id);
    return {
      ctx,
      post: {
        provider: 'sendgrid',
        account,
        token: 'token',
        receivedAt: new Date(),
        headers,
        body,
        ...change,
      },
    };
  }
  const inbox = (ctx: ServiceContext) =>
    ctx.read((em) =>
      query(em, 'SELECT 1 FROM webhook_inbox WHERE tenant_id = $1', [ctx.tenant.id]),
    );

  it('keeps what comes while PostgreSQL is away, unreadable, and moves it when that is back', async () => {
    const spool = await openSpool(shaky, folder, 1_000_000);
    const { ctx, post } = await aPost();
    isAway = true;
    assert.deepEqual(await spool.receive(post), { status: 200, result: 'stored' });
    const [name] = await readdir(folder);
    assert.doesNotMatch(
      (await readFile(join(folder, name!))).toString('latin1'),
      /ada|delivered|token/,
    );
    await assert.rejects(spool.drain());
    isAway = false;
    const restarted = await openSpool(shaky, folder, 1_000_000);
    assert.equal(await restarted.drain(), 1);
    assert.equal((await inbox(ctx)).length, 1);
    assert.deepEqual(await readdir(folder), []);
  });

  it('verifies at once with the key it knows', async () => {
    const spool = await openSpool(shaky, folder, 1_000_000);
    const { post } = await aPost();
    await spool.receive(post); // the account is known from here on
    isAway = true;
    assert.equal((await spool.receive({ ...post, body: Buffer.from('[]') })).status, 403);
    assert.deepEqual(await readdir(folder), []);
    assert.equal((await spool.receive(post)).status, 200);
  });

  it('verifies later what it could not verify, and drops the forged', async () => {
    const spool = await openSpool(shaky, folder, 1_000_000);
    const { ctx, post } = await aPost({ headers: {} });
    isAway = true;
    assert.equal((await spool.receive(post)).status, 200);
    isAway = false;
    await spool.drain();
    assert.equal((await inbox(ctx)).length, 0);
  });

  it('answers that it is full rather than losing anything', async () => {
    const spool = await openSpool(shaky, folder, 100);
    const { post } = await aPost();
    isAway = true;
    await assert.rejects(spool.receive(post), { code: 'unavailable' });
  });

  it('forgets half a file of a crash', async () => {
    await writeFile(join(folder, 'x.part'), 'half');
    const spool = await openSpool(shaky, folder, 1_000_000);
    assert.equal(await spool.drain(), 0);
    assert.deepEqual(await readdir(folder), []);
  });
});
