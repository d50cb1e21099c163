import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { toPublicId } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aTenant, anAccount } from '../../test/support/tenant.ts';
import {
  aStoredMessage,
  claim,
  conclude,
  look,
  type StoredMessage,
} from '../../test/support/sent-message.ts';
import { getBalance } from '../balance.ts';
import type { Platform } from '../platform.ts';
import { applyInbox } from './apply-inbox.ts';
import { receiveWebhook } from './receive-webhook.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signingKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

interface SendGridEvent {
  event: string;
  [field: string]: unknown;
}

describe('provider events', () => {
  let platform: Platform;
  before(async () => void (platform = await aPlatform()));
  after(() => platform.close());

  const anEventAccount = async () => {
    const ctx = await aTenant(platform);
    return { ctx, accountId: await anAccount(ctx, { signingKey }) };
  };

  const event = (call: string | undefined, kind: string, change: object = {}): SendGridEvent => ({
    event: kind,
    email: 'ada@example.test',
    timestamp: 1_790_000_000,
    sg_event_id: randomUUID(),
    sg_message_id: 'provider-id-1.filter0001.1',
    ...(call !== undefined && { ep_call: toPublicId('call', call) }),
    ...change,
  });

  /** Posts as SendGrid does, and has the relay apply it. */
  async function post(
    { accountId }: { accountId: string },
    events: SendGridEvent[],
  ): Promise<number> {
    const body = Buffer.from(`${JSON.stringify(events)}\r\n`);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createSign('sha256')
      .update(timestamp)
      .update(body)
      .sign(privateKey, 'base64');
    const { status } = await receiveWebhook(platform, {
      provider: 'sendgrid',
      account: toPublicId('providerAccount', accountId),
      token: 'token',
      receivedAt: new Date(),
      body,
      headers: {
        'x-twilio-email-event-webhook-signature': signature,
        'x-twilio-email-event-webhook-timestamp': timestamp,
      },
    });
    return status;
  }
  async function tell(account: { accountId: string }, events: SendGridEvent[]): Promise<void> {
    assert.equal(await post(account, events), 200);
    await applyInbox(platform);
  }

  async function aSent(): Promise<StoredMessage & { callId: string }> {
    const { ctx, accountId } = await anEventAccount();
    const message = await aStoredMessage(ctx, {}, accountId);
    const claimed = await claim(message);
    await conclude(message, claimed, { kind: 'accepted' }, { providerMessageId: 'provider-id-1' });
    return { ...message, callId: claimed.callId };
  }

  /** What the recipient's row says, whatever came first. */
  const state = async (message: StoredMessage) => {
    const { status, recipients, duplicate } = await look(message);
    return {
      status,
      duplicate,
      recipients: recipients.map((row) => ({ ...row, sentAt: undefined })),
    };
  };

  it('end in one state, whatever their order and however often they come', async () => {
    const kinds: [string, object][] = [
      ['processed', {}],
      ['deferred', { timestamp: 1_790_000_001, attempt: '1' }],
      ['delivered', { timestamp: 1_790_000_002 }],
      ['open', { timestamp: 1_790_000_003 }],
      ['bounce', { timestamp: 1_790_000_004, type: 'blocked', reason: '550 blocked' }],
      [
        'bounce',
        { timestamp: 1_790_000_005, type: 'bounce', reason: '550 5.1.1', status: '5.1.1' },
      ],
    ];
    const orders = permutations([0, 1, 2, 3, 4, 5]);
    let seed = 20_261_124;
    const random = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n;
    const ends = new Set<string>();
    for (let run = 0; run < 40; run += 1) {
      const message = await aSent();
      const events = kinds.map(([kind, change], index) =>
        event(message.callId, kind, { sg_event_id: `e${index}`, ...change }),
      );
      const order = orders[random(orders.length)]!;
      const posts = [...order, ...order.slice(0, random(6))].map((index) => events[index]!);
      // Some in one post, some apart.
      for (let from = 0; from < posts.length;) {
        const size = 1 + random(3);
        await tell(message, posts.slice(from, from + size));
        from += size;
      }
      ends.add(JSON.stringify(await state(message)));
    }
    assert.equal(ends.size, 1, [...ends].join('\n'));
    assert.match([...ends][0]!, /"status":"bounced".*"bounceKind":"hard"/);
  });

  it('that come before the answer is stored wait for it and are not lost', async () => {
    const { ctx, accountId } = await anEventAccount();
    const message = await aStoredMessage(ctx, {}, accountId);
    const claimed = await claim(message);
    await tell(message, [event(claimed.callId, 'delivered')]);
    await conclude(message, claimed, { kind: 'accepted' });
    const { recipients, status } = await look(message);
    assert.deepEqual(
      [status, recipients[0]?.status, recipients[0]?.isOpen],
      ['sent', 'delivered', false],
    );
  });

  it('prove that a call whose answer was lost was taken', async () => {
    for (const before of [true, false]) {
      const { ctx, accountId } = await anEventAccount();
      const message = await aStoredMessage(ctx, {}, accountId);
      const claimed = await claim(message);
      const lost = () => conclude(message, claimed, { kind: 'unknown', class: 'ambiguous' });
      if (before) await tell(message, [event(claimed.callId, 'processed')]);
      await lost();
      if (!before) await tell(message, [event(claimed.callId, 'processed')]);
      const { status, recipients, calls } = await look(message);
      assert.deepEqual(
        [status, recipients[0]?.status, calls[0]?.state, calls[0]?.reconciledBy],
        ['sent', 'sent', 'accepted', 'event'],
      );
    }
  });

  it('that know only the provider’s id are adopted once the call has it', async () => {
    const { ctx, accountId } = await anEventAccount();
    const message = await aStoredMessage(ctx, {}, accountId);
    const claimed = await claim(message);
    await tell(message, [event(undefined, 'delivered')]);
    assert.equal((await getBalance(ctx, {})).unmatchedEvents, 1);
    await conclude(message, claimed, { kind: 'accepted' }, { providerMessageId: 'provider-id-1' });
    assert.equal((await look(message)).recipients[0]?.status, 'delivered');
    assert.equal((await getBalance(ctx, {})).unmatchedEvents, 0);
  });

  it('of an attempt that was called refused show that a mail went out twice', async () => {
    const { ctx, accountId } = await anEventAccount();
    const message = await aStoredMessage(ctx, {}, accountId);
    const first = await claim(message);
    await conclude(message, first, { kind: 'refused', class: 'transient' });
    const second = await claim(message, { attempt: 2 });
    await conclude(message, second, { kind: 'accepted' });
    assert.equal((await look(message)).duplicate, false);
    await tell(message, [event(first.callId, 'delivered')]);
    const { duplicate, recipients } = await look(message);
    assert.equal(duplicate, true);
    assert.equal(recipients[0]?.attempt, 2);
  });

  it('wait for whoever writes the same rows, and tell a run that began to wait meanwhile', async () => {
    const { ctx, accountId } = await anEventAccount();
    const message = await aStoredMessage(ctx, {}, accountId);
    const claimed = await claim(message);
    await post(message, [event(claimed.callId, 'delivered')]);
    let applying: Promise<unknown> | undefined;
    await ctx.read(async (em) => {
      // As an outcome is written: the message, its recipients, and that a run waits for their events.
      const key = [ctx.tenant.id, message.messageId];
      await query(
        em,
        'SELECT 1 FROM messages WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
        key,
      );
      await query(
        em,
        'SELECT 1 FROM recipients WHERE tenant_id = $1 AND message_id = $2 FOR NO KEY UPDATE',
        key,
      );
      applying = applyInbox(platform);
      await sleep(300);
      await query(
        em,
        `UPDATE recipients SET state = 's', sent_at = now(), answer_by = NULL, awaiting = true
          WHERE tenant_id = $1 AND message_id = $2`,
        key,
      );
    });
    await applying;
    const { recipients } = await look(message);
    const signals = await ctx.read((em) =>
      query(em, 'SELECT 1 FROM signals_out WHERE tenant_id = $1', [ctx.tenant.id]),
    );
    assert.deepEqual([recipients[0]?.status, recipients[0]?.awaiting], ['delivered', false]);
    assert.equal(signals.length, 1, 'the run waits for this signal');
  });

  it('signal a waiting run once per recipient', async () => {
    const message = await aSent();
    await tell(message, [
      event(message.callId, 'delivered'),
      event(message.callId, 'open'),
      event(message.callId, 'click'),
    ]);
    await tell(message, [event(message.callId, 'open', { timestamp: 1_790_000_009 })]);
    const signals = await message.ctx.read((em) =>
      query<{ payload: { kind: string } }>(
        em,
        'SELECT payload FROM signals_out WHERE tenant_id = $1',
        [message.ctx.tenant.id],
      ),
    );
    assert.deepEqual(
      signals.map(({ payload }) => payload.kind),
      ['delivered'],
    );
  });

  it('of unknown kinds are kept as they came and change nothing', async () => {
    const message = await aSent();
    const before = await state(message);
    await tell(message, [event(message.callId, 'a_new_kind', { surprise: true })]);
    assert.deepEqual(await state(message), before);
    const [row] = await message.ctx.read((em) =>
      query<{ type: string; raw_enc: Buffer }>(
        em,
        `SELECT type, raw_enc FROM events WHERE tenant_id = $1 AND raw_enc IS NOT NULL`,
        [message.ctx.tenant.id],
      ),
    );
    assert.equal(row?.type, 'other');
    assert.match(message.ctx.tenant.vault.open('event_raw', row.raw_enc).toString(), /surprise/);
  });

  it('of another tenant’s call change nothing there', async () => {
    const [mine, other] = [await aSent(), await aSent()];
    const before = await state(other);
    await tell(mine, [event(other.callId, 'bounce', { type: 'bounce' })]);
    assert.deepEqual(await state(other), before);
  });

  it('that are forged are refused and not stored', async () => {
    const message = await aSent();
    const { privateKey: stranger } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
    });
    const body = Buffer.from(JSON.stringify([event(message.callId, 'bounce')]));
    const account = toPublicId('providerAccount', message.accountId);
    const send = (change: object) =>
      receiveWebhook(platform, {
        provider: 'sendgrid',
        account,
        token: 'token',
        receivedAt: new Date(),
        body,
        headers: {},
        ...change,
      });
    const signed = (key: typeof stranger, over: Buffer) => ({
      'x-twilio-email-event-webhook-signature': createSign('sha256')
        .update('1')
        .update(over)
        .sign(key, 'base64'),
      'x-twilio-email-event-webhook-timestamp': '1',
    });
    assert.equal((await send({})).status, 403);
    assert.equal((await send({ headers: signed(stranger, body) })).status, 403);
    assert.equal((await send({ headers: signed(privateKey, Buffer.from('[]')) })).status, 403);
    await assert.rejects(send({ token: 'guess', headers: signed(privateKey, body) }), {
      code: 'not_found',
    });
    await assert.rejects(send({ account: 'acc_nonsense' }), { code: 'not_found' });
    const rows = await message.ctx.read((em) =>
      query(em, 'SELECT 1 FROM webhook_inbox WHERE tenant_id = $1', [message.ctx.tenant.id]),
    );
    assert.equal(rows.length, 0);
  });
});

function permutations(items: number[]): number[][] {
  if (items.length <= 1) return [items];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}
