import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { toUuid } from '../../domain/ids.ts';
import { aSandbox, type SandboxUnderTest } from '../../sandbox/sandbox-under-test.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aMessage, anAccount, aTenant } from '../../test/support/tenant.ts';
import { acceptMessage } from '../messages/accept-message.ts';
import { getMessage } from '../messages/read-messages.ts';
import { getTimeline } from '../messages/timeline.ts';
import { explainMessage } from '../messages/explain.ts';
import { getBalance } from '../balance.ts';
import type { Platform } from '../platform.ts';
import { query } from '../../runtime/database.ts';
import type { FailpointName } from '../../runtime/failpoints.ts';
import { deliver } from './deliver.ts';
import { recordOutcome } from './record-outcome.ts';

describe('deliver', () => {
  let platform: Platform;
  let sandbox: SandboxUnderTest;
  const timing = { providerTimeoutMs: 1_000, callWithinMs: 500, answerGraceMs: 300 };
  const aRun = () => ({ deadlineMs: performance.now() + 60_000, timing });

  before(async () => {
    [platform, sandbox] = await Promise.all([aPlatform(), aSandbox()]);
  });
  after(async () => {
    await Promise.all([platform.close(), sandbox.close()]);
  });

  async function anAcceptedMessage(overrides: Parameters<typeof aMessage>[0] = {}) {
    const ctx = await aTenant(platform);
    await anAccount(ctx, { settings: { baseUrl: `${sandbox.httpUrl}/sendgrid` } });
    const { id } = await acceptMessage(ctx, aMessage(overrides));
    return { ctx, id, messageId: toUuid('message', id) };
  }

  it('sends once, keeps what the provider said, and balances', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    const input = { messageId, attempt: 1, step: 'first' as const, spread: 0.5 };
    const result = await deliver(platform, ctx.tenant, input, aRun());
    assert.equal(result.kind, 'attempted');
    const again = await deliver(platform, ctx.tenant, input, aRun());
    assert.deepEqual(again, result, 'a second run of the activity finds the outcome');
    const message = await getMessage(ctx, id);
    assert.equal(message.status, 'sent');
    assert.equal(message.recipients[0]?.status, 'sent');
    assert.deepEqual(message.cost, { micros: 400, currency: 'USD' });
    const accepted = (await sandbox.accepted()).filter((line) => line.messageId === id);
    assert.equal(accepted.length, 1);
    const { entries } = await getTimeline(ctx, id);
    assert.deepEqual(
      entries.map(({ kind }) => kind).filter((kind) => kind !== 'started'),
      ['accepted', 'rendered', 'routed', 'attempted', 'outcome'],
    );
    const explained = await explainMessage(ctx, id);
    assert.match(explained.verdict, /Accepted by sendgrid for 1 of 1/);
    const balance = await getBalance(ctx, {});
    assert.equal(balance.unexplained, 0);
    assert.equal(balance.recipients.sent, 1);
  });

  const first = (messageId: string) => ({
    messageId,
    attempt: 1,
    step: 'first' as const,
    spread: 0.5,
  });
  const sentLines = async (id: string) =>
    (await sandbox.accepted()).filter((line) => line.messageId === id);
  /** The same platform, but something happens at a failpoint. */
  const withFailpoint = (act: (name: FailpointName) => void): Platform => ({
    ...platform,
    failpoints: act,
  });
  const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

  it('does not call when it was held up between its claim and the call, and says so', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    const heldUp = withFailpoint((name) => {
      if (name === 'after_claim') block(timing.callWithinMs + 50);
    });
    const result = await deliver(heldUp, ctx.tenant, first(messageId), aRun());
    assert.ok(
      result.kind === 'attempted' && result.result.class === 'not_called',
      JSON.stringify(result),
    );
    assert.deepEqual(await sentLines(id), []);
    const again = await deliver(platform, ctx.tenant, { ...first(messageId), attempt: 2 }, aRun());
    assert.ok(again.kind === 'attempted' && again.result.accepted === 1);
    assert.equal((await sentLines(id)).length, 1);
  });

  it('calls although it had to wait for a connection to claim on', async () => {
    const { ctx, messageId } = await anAcceptedMessage();
    const inTenant: Platform['app']['inTenant'] = async (...call) => {
      await sleep(timing.callWithinMs + 50);
      return platform.app.inTenant(...call);
    };
    const busy = { ...platform, app: { ...platform.app, inTenant } };
    const result = await deliver(busy, ctx.tenant, first(messageId), aRun());
    assert.ok(result.kind === 'attempted' && result.result.accepted === 1, JSON.stringify(result));
  });

  it('finds the bare claim of a run that died, waits for its time, then says unknown and calls no more', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    const dying = withFailpoint((name) => {
      if (name === 'after_claim') throw new Error('died');
    });
    const startedMs = performance.now();
    await assert.rejects(deliver(dying, ctx.tenant, first(messageId), aRun()), /died/);
    const result = await deliver(platform, ctx.tenant, first(messageId), aRun());
    const answerWithinMs = timing.callWithinMs + timing.providerTimeoutMs + timing.answerGraceMs;
    assert.ok(performance.now() - startedMs >= answerWithinMs - 50);
    assert.ok(result.kind === 'attempted' && result.result.unknown === 1);
    assert.equal((await getMessage(ctx, id)).status, 'reconciling');
    assert.deepEqual(await sentLines(id), []);
  });

  it('hands on an outcome that PostgreSQL does not take, without what the provider said', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    let isAway = false;
    const app = {
      ...platform.app,
      inTenant: ((...call: Parameters<Platform['app']['inTenant']>) =>
        isAway
          ? Promise.reject(new Error('connection refused'))
          : platform.app.inTenant(...call)) as Platform['app']['inTenant'],
    };
    const failing = {
      ...platform,
      app,
      failpoints: (name: FailpointName) => void (isAway ||= name === 'after_response'),
    };
    const result = await deliver(failing, ctx.tenant, first(messageId), aRun());
    assert.ok(result.kind === 'unpersisted');
    assert.equal('words' in result.outcome, false);
    assert.equal((await getMessage(ctx, id)).status, 'sending');
    await recordOutcome(platform, ctx.tenant, result.outcome);
    assert.equal((await getMessage(ctx, id)).status, 'sent');
  });

  it('fails, visibly, what no account can take any more', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    await ctx.read((em) =>
      query(em, 'UPDATE provider_accounts SET enabled = false WHERE tenant_id = $1', [
        ctx.tenant.id,
      ]),
    );
    assert.deepEqual(await deliver(platform, ctx.tenant, first(messageId), aRun()), {
      kind: 'ended',
      status: 'failed',
    });
    const message = await getMessage(ctx, id);
    assert.deepEqual(
      [message.status, message.reason, message.recipients[0]?.status],
      ['failed', 'no_route', 'failed'],
    );
    assert.equal((await getBalance(ctx, {})).unexplained, 0);
  });

  it('holds the mail of a suspended tenant', async () => {
    const { ctx, id, messageId } = await anAcceptedMessage();
    await platform.operator.transaction((em) =>
      query(em, `UPDATE tenants SET state = 'suspended' WHERE id = $1`, [ctx.tenant.id]),
    );
    const result = await deliver(platform, ctx.tenant, first(messageId), aRun());
    assert.ok(result.kind === 'held' && result.reason === 'suspended');
    const { status, heldReason } = await getMessage(ctx, id);
    assert.deepEqual([status, heldReason], ['held', 'suspended']);
    assert.deepEqual(await sentLines(id), []);
  });

  it('does not begin what would be timed out before its answer', async () => {
    const { ctx, messageId } = await anAcceptedMessage();
    const result = await deliver(platform, ctx.tenant, first(messageId), {
      deadlineMs: performance.now() + 1_000,
      timing,
    });
    assert.equal(result.kind, 'held');
  });

  it('keeps what each recipient of one SMTP mail was told', async () => {
    const ctx = await aTenant(platform);
    const [host, port] = sandbox.smtpAddress.split(':');
    await anAccount(ctx, {
      provider: 'smtp',
      deliveryEvents: 'none',
      credentials: { user: 'acme', pass: 'acme' },
      settings: { host, port: Number(port), secure: false },
    });
    const to = [{ email: 'ada@example.test' }, { email: 'bounce@example.test' }];
    const { id } = await acceptMessage(ctx, aMessage({ to }));
    await deliver(platform, ctx.tenant, first(toUuid('message', id)), aRun());
    const message = await getMessage(ctx, id);
    assert.deepEqual(
      message.recipients.map(({ status }) => status),
      ['sent', 'failed'],
    );
    assert.deepEqual([message.status, message.settledBy], ['sent', 'account']);
  });
});
