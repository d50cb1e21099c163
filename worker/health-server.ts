import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Worker } from '@temporalio/worker';
import type { WorkerSettings } from '../runtime/settings.ts';
import { countLaneLag } from '../services/events/lanes.ts';
import type { Platform } from '../services/platform.ts';

/** `/livez`, `/readyz` and `/metrics` of a worker. */
export async function startHealthServer(
  settings: WorkerSettings,
  platform: Platform,
  worker: Worker,
) {
  const routes: Record<string, () => Promise<{ status: number; type: string; body: string }>> = {
    '/livez': () => Promise.resolve({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      const parts = {
        temporal: worker.getState() === 'RUNNING',
        postgres: await platform.app.isHealthy(),
      };
      const isReady = Object.values(parts).every(Boolean);
      return {
        status: isReady ? 200 : 503,
        type: 'application/json',
        body: JSON.stringify({ ready: isReady, parts }),
      };
    },
    '/metrics': async () => {
      const lag = await countLaneLag(platform).catch(() => undefined);
      if (lag !== undefined) platform.metrics.laneLag.set(lag);
      const { registry } = platform.metrics;
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
  const server = createServer((request, response) => {
    const route = routes[request.url ?? ''];
    const answer = route
      ? route()
      : Promise.resolve({ status: 404, type: 'text/plain', body: 'not found\n' });
    answer
      .catch(() => ({ status: 503, type: 'text/plain', body: 'not ready\n' }))
      .then(
        ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
        () => undefined,
      );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(settings.WORKER_PORT, settings.WORKER_HOST, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
