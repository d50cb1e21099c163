import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { addressKey } from '../../domain/address.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aTenant } from '../../test/support/tenant.ts';
import { aStoredMessage, claim, conclude, look } from '../../test/support/sent-message.ts';
import { cancelMessage } from '../messages/cancel-message.ts';
import type { ServiceContext } from '../context.ts';
import type { Platform } from '../platform.ts';

describe('the claim', () => {
  let platform: Platform;
  before(async () => void (platform = await aPlatform()));
  after(() => platform.close());

  const suppress = (ctx: ServiceContext, email: string, stream: string) =>
    ctx.read((em) =>
      query(
        em,
        `INSERT INTO suppressions (tenant_id, id, address_hash, address_enc, stream, reason, source)
         VALUES ($1, $2, $3, $4, $5, 'bounce', 'test')`,
        [
          ctx.tenant.id,
          newUuid(),
          ctx.tenant.vault.hashAddress(addressKey(email)),
          Buffer.of(0),
          stream,
        ],
      ),
    );

  it('is the only door to a provider: one place calls it, and one calls a provider after it', () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const folders = ['api', 'worker', 'workflows', 'activities', 'services', 'local'];
    const grep = (pattern: string) =>
      execFileSync('grep', ['-rlE', '--include=*.ts', '--exclude=*.test.ts', pattern, ...folders], {
        cwd: root,
        encoding: 'utf8',
      })
        .trim()
        .split('\n');
    assert.deepEqual(
      grep('\\bclaimRecipients\\('),
      ['services/delivery/deliver.ts', 'services/delivery/claim.ts'].sort().reverse().sort(),
    );
    assert.deepEqual(grep('provider\\.send\\('), ['services/delivery/call-provider.ts']);
    assert.deepEqual(grep('\\bcallProvider\\(').sort(), [
      'services/delivery/call-provider.ts',
      'services/delivery/deliver.ts',
    ]);
  });

  it('gives each recipient to one of many that ask at once', async () => {
    const message = await aStoredMessage(await aTenant(platform), {
      to: [{ email: 'a@x.test' }, { email: 'b@x.test' }],
      bcc: [{ email: 'c@x.test' }],
    });
    const claims = await Promise.all(Array.from({ length: 6 }, () => claim(message)));
    assert.equal(claims.filter(({ claimed }) => claimed.length > 0).length, 1);
    assert.equal(claims.flatMap(({ claimed }) => claimed).length, 3);
    assert.equal((await look(message)).calls.length, 1);
  });

  it('is refused while an earlier call is open, whatever the attempt', async () => {
    const message = await aStoredMessage(await aTenant(platform));
    await claim(message);
    assert.deepEqual((await claim(message, { attempt: 2 })).claimed, []);
  });

  const unsendable: [string, (ctx: ServiceContext, id: string) => Promise<unknown>][] = [
    ['cancelled', (ctx, id) => cancelMessage(ctx, id)],
    [
      'marked cancelled, whatever its recipients say',
      (ctx) =>
        ctx.read((em) =>
          query(em, 'UPDATE messages SET cancelled_at = now() WHERE tenant_id = $1', [
            ctx.tenant.id,
          ]),
        ),
    ],
    [
      'expired',
      (ctx) =>
        ctx.read((em) =>
          query(
            em,
            `UPDATE messages SET expires_at = now() - interval '1 ms' WHERE tenant_id = $1`,
            [ctx.tenant.id],
          ),
        ),
    ],
    [
      'not due',
      (ctx) =>
        ctx.read((em) =>
          query(
            em,
            `UPDATE messages SET scheduled_at = now() + interval '1 hour' WHERE tenant_id = $1`,
            [ctx.tenant.id],
          ),
        ),
    ],
    [
      'of a suspended tenant',
      (ctx) =>
        platform.operator.transaction((em) =>
          query(em, `UPDATE tenants SET state = 'suspended' WHERE id = $1`, [ctx.tenant.id]),
        ),
    ],
  ];
  for (const [why, make] of unsendable)
    it(`is refused for a message that is ${why}`, async () => {
      const ctx = await aTenant(platform);
      const message = await aStoredMessage(ctx);
      await make(ctx, message.id);
      assert.deepEqual(
        await claim(message).then(({ claimed, suppressed }) => ({ claimed, suppressed })),
        { claimed: [], suppressed: [] },
      );
      assert.equal((await look(message)).calls.length, 0);
    });

  it('leaves out who is suppressed since acceptance, and says so', async () => {
    const ctx = await aTenant(platform);
    const message = await aStoredMessage(ctx, {
      to: [{ email: 'a@x.test' }, { email: 'B@x.test' }],
    });
    await suppress(ctx, 'b@X.test', 'transactional');
    const result = await claim(message);
    assert.equal(result.claimed.length, 1);
    assert.equal(result.suppressed.length, 1);
    const { recipients } = await look(message);
    assert.deepEqual(
      recipients.map(({ status }) => status),
      ['pending', 'suppressed'],
    );
  });

  it('lets transactional mail pass an unsubscribe from marketing', async () => {
    const ctx = await aTenant(platform);
    await suppress(ctx, 'ada@example.test', 'marketing');
    assert.equal((await claim(await aStoredMessage(ctx))).claimed.length, 1);
    const marketing = await aStoredMessage(ctx, { stream: 'marketing' });
    assert.equal((await look(marketing)).status, 'suppressed');
  });

  it('waits for a suspension that is being written, and then is refused', async () => {
    const ctx = await aTenant(platform);
    const message = await aStoredMessage(ctx);
    let claiming: ReturnType<typeof claim> | undefined;
    await platform.operator.transaction(async (em) => {
      await query(em, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `tenant/${ctx.tenant.id}`,
      ]);
      claiming = claim(message);
      await sleep(200);
      await query(em, `UPDATE tenants SET state = 'suspended' WHERE id = $1`, [ctx.tenant.id]);
    });
    assert.deepEqual((await claiming)?.claimed, []);
  });

  it('repeats only an unknown call, under its own id, after its time to answer', async () => {
    const message = await aStoredMessage(await aTenant(platform));
    const first = await claim(message, { answerWithinMs: 300 });
    const repeat = () => claim(message, { step: 'repeat', callId: first.callId });
    assert.deepEqual((await repeat()).claimed, [], 'still open');
    await conclude(message, first, { kind: 'unknown', class: 'ambiguous' });
    assert.deepEqual((await repeat()).claimed, [], 'before its time to answer');
    await sleep(350);
    assert.equal((await repeat()).claimed.length, 1);
    assert.deepEqual((await repeat()).claimed, [], 'the repeat is open');
    await conclude(message, first, { kind: 'accepted' });
    const { recipients, calls } = await look(message);
    assert.equal(recipients[0]?.status, 'sent');
    assert.equal(calls.length, 1);
  });
});
