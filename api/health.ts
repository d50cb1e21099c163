import type { Express } from 'express';
import { getHealth } from '../services/health.ts';
import type { Platform } from '../services/platform.ts';

/** For whoever runs the process: alive, ready (each part by name), counted. They need no key. */
export function serveHealth(app: Express, platform: Platform, isStopping: () => boolean): void {
  app.get('/livez', (_request, response) => {
    response.json({ ok: true });
  });
  app.get('/readyz', async (_request, response) => {
    const health = await getHealth(platform);
    const isReady = health.ok && !isStopping();
    response.status(isReady ? 200 : 503).json({ ...health, ok: isReady });
  });
  app.get('/metrics', async (_request, response) => {
    const { registry } = platform.metrics;
    response.type(registry.contentType).send(await registry.metrics());
  });
}
