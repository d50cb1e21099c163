import assert from 'node:assert/strict';
import { toUuid } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aMessage, anAccount, aTenant } from '../../test/support/tenant.ts';
import { until } from '../../test/support/until.ts';
import { acceptMessage } from '../messages/accept-message.ts';
import { getMessage } from '../messages/read-messages.ts';
import { rescheduleMessage } from '../messages/reschedule-message.ts';
import { getBalance } from '../balance.ts';
import type { ServiceContext } from '../context.ts';
import type { Platform } from '../platform.ts';
import { checkRuns } from './check-runs.ts';
import { sweepStarts } from './sweep-starts.ts';

describe('starting runs', () => {
  // Nobody polls this queue: runs stay open.
  const queue = `starts-${process.pid}`;
  let platform: Platform;
  let cutOff: Platform;
  before(async () => {
    platform = await aPlatform({ TEMPORAL_TASK_QUEUE: queue });
    cutOff = await aPlatform({ TEMPORAL_TASK_QUEUE: queue, TEMPORAL_ADDRESS: '127.0.0.1:9' });
  });
  after(async () => {
    await Promise.all([platform.close(), cutOff.close()]);
  });

  const starts = (ctx: ServiceContext) =>
    ctx.read((em) =>
      query<{ run_no: number }>(em, 'SELECT run_no FROM workflow_starts WHERE tenant_id = $1', [
        ctx.tenant.id,
      ]),
    );
  const describeRun = async (workflowId: string) =>
    (await platform.temporal.workflow.getHandle(workflowId).describe()).status.name;
  /** An accepted message whose own process could not reach Temporal. */
  async function anUnstarted() {
    const ctx = await aTenant(cutOff);
    await anAccount(ctx);
    return { ctx, ...(await acceptMessage(ctx, aMessage())) };
  }
  const makeDue = (ctx: ServiceContext) =>
    ctx.read((em) =>
      query(
        em,
        `UPDATE workflow_starts SET start_at = now() - interval '1 s' WHERE tenant_id = $1`,
        [ctx.tenant.id],
      ),
    );

  it('is done by the sweep where the accepting process did not get to it', async () => {
    const { ctx, workflowId } = await anUnstarted();
    assert.equal((await starts(ctx)).length, 1);
    assert.equal((await getBalance(ctx, {})).unexplained, 0);
    await makeDue(ctx);
    await sweepStarts(platform);
    assert.equal(await describeRun(workflowId), 'RUNNING');
    assert.equal((await starts(ctx)).length, 0);
    await sweepStarts(platform);
  });

  it('twice makes one run', async () => {
    const { ctx, workflowId } = await anUnstarted();
    await makeDue(ctx);
    await Promise.all([sweepStarts(platform), sweepStarts(platform)]);
    assert.equal(await describeRun(workflowId), 'RUNNING');
  });

  it('waits for a scheduled message, which can be moved until then', async () => {
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    const { id } = await acceptMessage(
      ctx,
      aMessage({ scheduledAt: new Date(Date.now() + 3_600_000) }),
    );
    await sweepStarts(platform);
    assert.equal((await starts(ctx)).length, 1);
    await rescheduleMessage(ctx, id, { scheduledAt: new Date(Date.now() - 1) });
    await sweepStarts(platform);
    assert.equal((await starts(ctx)).length, 0);
    await assert.rejects(rescheduleMessage(ctx, id, { scheduledAt: null }), {
      code: 'state_conflict',
    });
  });

  it('happens again for a message whose run is gone, under the same id after a failure', async () => {
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    const { id, workflowId } = await acceptMessage(ctx, aMessage());
    await until(
      () => describeRun(workflowId).catch(() => 'none'),
      (state) => state === 'RUNNING',
    );
    await until(
      () => starts(ctx),
      (rows) => rows.length === 0,
    );
    await platform.temporal.workflow.getHandle(workflowId).terminate('test');
    const check = () =>
      ctx.read((em) =>
        query(em, 'UPDATE messages SET check_at = now() WHERE tenant_id = $1', [ctx.tenant.id]),
      );
    await check();
    assert.equal(await checkRuns(platform), 1);
    await sweepStarts(platform);
    assert.equal(await describeRun(workflowId), 'RUNNING');
    assert.equal((await getMessage(ctx, id)).workflowId, workflowId);
    await check();
    assert.equal(await checkRuns(platform), 0, 'a run that is open is left alone');
    const [row] = await ctx.read((em) =>
      query<{ later: boolean }>(
        em,
        'SELECT check_at > now() AS later FROM messages WHERE tenant_id = $1 AND id = $2',
        [ctx.tenant.id, toUuid('message', id)],
      ),
    );
    assert.ok(row?.later);
  });
});
