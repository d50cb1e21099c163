import assert from 'node:assert/strict';
import { aSandbox, type SandboxUnderTest } from '../sandbox/sandbox-under-test.ts';
import { acceptMessage } from '../services/messages/accept-message.ts';
import { cancelMessage } from '../services/messages/cancel-message.ts';
import { getMessage } from '../services/messages/read-messages.ts';
import { getTimeline } from '../services/messages/timeline.ts';
import { getBalance } from '../services/balance.ts';
import { aSender, settled } from '../test/support/sender.ts';
import { aMessage, type AccountInput } from '../test/support/tenant.ts';
import { until } from '../test/support/until.ts';
import { aWebhookReceiver, aWorker } from '../test/support/worker.ts';

describe('sendMessage', function () {
  this.timeout(60_000);
  let worker: Awaited<ReturnType<typeof aWorker>>;
  let sandbox: SandboxUnderTest;
  let receiver: Awaited<ReturnType<typeof aWebhookReceiver>>;

  before(async () => {
    [worker, sandbox] = await Promise.all([aWorker(), aSandbox()]);
    receiver = await aWebhookReceiver(worker.platform);
  });
  after(async () => {
    await worker.close();
    await Promise.all([sandbox.close(), receiver.close()]);
  });

  const sender = (input: AccountInput = {}) =>
    aSender(worker.platform, sandbox, receiver.url, input);

  it('follows a mail to its delivery and tells it in the Web UI', async () => {
    const ctx = await sender();
    const { id, workflowId } = await acceptMessage(ctx, aMessage());
    const message = await settled(ctx, id);
    assert.equal(message.status, 'sent');
    assert.equal(message.settledBy, 'events');
    assert.equal(message.recipients[0]?.status, 'delivered');
    const handle = worker.platform.temporal.workflow.getHandle(workflowId);
    assert.deepEqual(await handle.result(), { status: 'sent', settledBy: 'events', attempts: 1 });
    const { entries, next } = await getTimeline(ctx, id);
    assert.deepEqual(
      entries
        .map(({ kind, event }) => (kind === 'event' ? (event as { type: string }).type : kind))
        .filter((kind) => kind !== 'started')
        .sort(),
      ['accepted', 'attempted', 'delivered', 'outcome', 'queued', 'rendered', 'routed', 'settled'],
    );
    assert.equal(next, null);
  });

  it('tells a hard bounce', async () => {
    const ctx = await sender();
    const { id } = await acceptMessage(ctx, aMessage({ to: [{ email: 'bounce@example.test' }] }));
    const message = await settled(ctx, id);
    assert.equal(message.recipients[0]?.status, 'bounced');
    assert.equal(message.recipients[0].bounceKind, 'hard');
  });

  it('retries what was certainly not sent', async () => {
    const ctx = await sender();
    await sandbox.control('POST', '/faults', {
      provider: 'sendgrid',
      match: { account: `SG.${ctx.tenant.key}` },
      times: 1,
      then: { status: 503 },
    });
    const { id } = await acceptMessage(ctx, aMessage());
    const message = await settled(ctx, id);
    assert.deepEqual(
      message.attempts.map(({ outcome, class: errorClass }) => [outcome, errorClass]),
      [
        ['refused', 'transient'],
        ['accepted', null],
      ],
    );
    assert.equal(message.recipients[0]?.status, 'delivered');
  });

  it('calls a lost answer unknown, until an event that carries our id clarifies it', async () => {
    const ctx = await sender();
    const { id } = await acceptMessage(
      ctx,
      aMessage({ to: [{ email: 'accept-then-reset@example.test' }] }),
    );
    await until(
      () => getMessage(ctx, id),
      ({ status }) => status === 'reconciling' || status === 'sent',
    );
    const message = await settled(ctx, id);
    assert.equal(message.status, 'sent');
    assert.equal(message.attempts.length, 1);
    assert.equal(message.attempts[0]?.reconciledBy, 'event');
  });

  it('leaves it unknown where nothing clarifies it, and never sends again', async () => {
    const ctx = await aSender(worker.platform, sandbox, undefined, { deliveryEvents: 'none' });
    await sandbox.control('DELETE', '/webhooks', {
      provider: 'sendgrid',
      account: `SG.${ctx.tenant.key}`,
    });
    const { id } = await acceptMessage(
      ctx,
      aMessage({ to: [{ email: 'accept-then-reset@example.test' }] }),
    );
    const message = await settled(ctx, id);
    assert.equal(message.status, 'unknown');
    assert.equal((await sandbox.accepted()).filter((line) => line.messageId === id).length, 1);
    assert.equal((await getBalance(ctx, {})).unexplained, 0);
  });

  it('sends a scheduled mail when it is due, and not a cancelled one', async () => {
    const ctx = await sender();
    const scheduledAt = new Date(Date.now() + 1_500);
    const [due, cancelled] = await Promise.all([
      acceptMessage(ctx, aMessage({ scheduledAt })),
      acceptMessage(ctx, aMessage({ scheduledAt })),
    ]);
    assert.equal(due.status, 'scheduled');
    assert.equal((await cancelMessage(ctx, cancelled.id)).status, 'cancelled');
    const message = await settled(ctx, due.id);
    assert.ok(new Date(message.attempts[0]?.at ?? 0) >= scheduledAt);
    const accepted = await sandbox.accepted();
    assert.equal(accepted.filter(({ messageId }) => messageId === cancelled.id).length, 0);
  });
});
