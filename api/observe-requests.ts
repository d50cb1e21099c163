import type { RequestHandler } from 'express';
import { Histogram } from 'prom-client';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';

/** Counts and, at level debug, logs each request by its route; a URL may hold a token or an address. */
export function observeRequests({ registry }: Metrics, log: Log): RequestHandler {
  const name = 'http_request_ms';
  registry.removeSingleMetric(name); // another application on the same metrics
  const requestMs = new Histogram({
    name,
    help: 'HTTP requests of the API',
    labelNames: ['method', 'route', 'status'],
    buckets: [1, 2, 5, 10, 15, 25, 50, 100, 250, 1000, 5000],
    registers: [registry],
  });
  return (request, response, next) => {
    const from = performance.now();
    response.once('close', () => {
      const ms = performance.now() - from;
      const matched = request.route as { path: string } | undefined;
      const route = matched?.path ?? 'none';
      const { method } = request;
      const status = response.writableFinished ? response.statusCode : 499; // the client hung up
      requestMs.observe({ method, route, status }, ms);
      const requestId = response.getHeader('X-Request-Id');
      log.debug({ method, route, status, ms: Math.round(ms), requestId }, 'request');
    });
    next();
  };
}
