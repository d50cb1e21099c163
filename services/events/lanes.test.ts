import assert from 'node:assert/strict';
import { z } from 'zod';
import { connectClickhouse, selectRows, type Clickhouse } from '../../analytics/clickhouse.ts';
import { query } from '../../runtime/database.ts';
import { migrateClickhouse } from '../../schema/clickhouse/migrate.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aSentMessage } from '../../test/support/sent-message.ts';
import { aTenant } from '../../test/support/tenant.ts';
import type { Platform } from '../platform.ts';
import { countLaneLag, runLane } from './lanes.ts';

describe('a lane to ClickHouse', () => {
  let platform: Platform;
  let clickhouse: Clickhouse;
  before(async () => {
    platform = await aPlatform({ CLICKHOUSE_DATABASE: 'lanes' });
    const { CLICKHOUSE_URL: url, CLICKHOUSE_DATABASE: database } = platform.settings;
    await migrateClickhouse({ url, database });
    clickhouse = connectClickhouse({ url, database }, platform.log);
  });
  after(async () => {
    await clickhouse.close();
    await platform.close();
  });

  const drain = async (target: Clickhouse = clickhouse) => {
    let moved = 0;
    for (
      let rows = await runLane(platform, target, 0);
      rows > 0;
      rows = await runLane(platform, target, 0)
    )
      moved += rows;
    return moved;
  };
  const countsOf = async (tenantId: string) =>
    Object.fromEntries(
      (
        await selectRows(
          clickhouse,
          z.object({ type: z.string(), n: z.coerce.number() }),
          'SELECT type, count() AS n FROM message_events WHERE tenant_id = {tenant:UUID} GROUP BY type ORDER BY type',
          { tenant: tenantId },
        )
      ).map(({ type, n }) => [type, n]),
    );

  it('brings every fact over, once', async () => {
    await drain(); // what other suites left
    const ctx = await aTenant(platform);
    for (let n = 0; n < 5; n += 1)
      await aSentMessage(ctx, { to: [{ email: 'a@x.test' }, { email: 'b@x.test' }] });
    assert.equal(await drain(), 20);
    assert.deepEqual(await countsOf(ctx.tenant.id), { accepted: 10, attempt_accepted: 10 });
    assert.equal(await countLaneLag(platform), 0);
  });

  it('repeats the frozen batch after a failure, and still counts once', async () => {
    const ctx = await aTenant(platform);
    await aSentMessage(ctx);
    const answerLost = {
      insert: async (...call: Parameters<Clickhouse['insert']>) => {
        await clickhouse.insert(...call);
        throw new Error('answer lost');
      },
    } as unknown as Clickhouse;
    await assert.rejects(runLane(platform, answerLost, 0), /answer lost/);
    await aSentMessage(ctx); // later facts do not join the frozen batch
    const [lane] = await platform.relay.transaction((em) =>
      query<{ frozen_to: string | null }>(em, 'SELECT frozen_to FROM event_lanes WHERE lane = 0'),
    );
    assert.ok(lane?.frozen_to);
    await drain();
    assert.deepEqual(await countsOf(ctx.tenant.id), { accepted: 2, attempt_accepted: 2 });
    // The table may hold both copies; the views never do.
    await clickhouse.command({ query: 'OPTIMIZE TABLE events FINAL' });
    assert.deepEqual(await countsOf(ctx.tenant.id), { accepted: 2, attempt_accepted: 2 });
  });

  it('moves on with several workers at once', async () => {
    const ctx = await aTenant(platform);
    for (let n = 0; n < 6; n += 1) await aSentMessage(ctx);
    await Promise.all([drain(), drain(), drain()]);
    await drain();
    assert.deepEqual(await countsOf(ctx.tenant.id), { accepted: 6, attempt_accepted: 6 });
  });

  it('holds no address and no content', async () => {
    const rows = await selectRows(
      clickhouse,
      z.record(z.string(), z.unknown()),
      'SELECT * FROM events LIMIT 1000',
    );
    assert.ok(rows.length > 0);
    assert.ok(!JSON.stringify(rows).includes('@'));
  });
});
