import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createActivities } from '../../activities/index.ts';
import { connectClickhouse } from '../../analytics/clickhouse.ts';
import { migrateClickhouse } from '../../schema/clickhouse/migrate.ts';
import { receiveWebhook } from '../../services/events/receive-webhook.ts';
import { backgroundTasks } from '../../worker/background-tasks.ts';
import { startBackground } from '../../runtime/background.ts';
import { createTemporalWorker } from '../../worker/temporal-worker.ts';
import { aPlatform, testSettings } from './platform.ts';
import { PlatformError } from '../../domain/platform-error.ts';

let count = 0;

/** A worker in this process on a task queue of its own, with all that runs beside it. */
export async function aWorker(overrides: Record<string, string> = {}) {
  count += 1;
  const own = { TEMPORAL_TASK_QUEUE: `test-${process.pid}-${count}`, ...overrides };
  const settings = await testSettings(own);
  const place = { url: settings.CLICKHOUSE_URL, database: settings.CLICKHOUSE_DATABASE };
  await migrateClickhouse(place);
  const platform = await aPlatform(own);
  const clickhouse = connectClickhouse(place, platform.log);
  const { worker, connection } = await createTemporalWorker(
    settings,
    platform.log,
    createActivities(platform, settings),
  );
  const running = worker.run();
  const background = startBackground(backgroundTasks(platform, clickhouse, settings), platform.log);
  return {
    platform,
    clickhouse,
    settings,
    close: async () => {
      await background.stop();
      worker.shutdown();
      await running;
      await connection.close();
      await clickhouse.close();
      await platform.close();
    },
  };
}

/** Takes provider webhooks over HTTP, as the API does. */
export async function aWebhookReceiver(platform: Awaited<ReturnType<typeof aPlatform>>) {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const [, , provider = '', account = '', token = ''] = (request.url ?? '').split('/');
      const post = {
        provider,
        account,
        token,
        headers: request.headers,
        body: Buffer.concat(parts),
        receivedAt: new Date(),
      };
      receiveWebhook(platform, post)
        .then(
          ({ status }) => status,
          (error: unknown) => (error instanceof PlatformError ? 404 : 503),
        )
        .then(
          (status) => response.writeHead(status).end(),
          () => response.destroy(),
        );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
