import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { PlatformError } from '../domain/platform-error.ts';
import type { Spool } from '../services/events/spool.ts';
import type { Platform } from '../services/platform.ts';
import { serveDocs } from './docs.ts';
import { sendProblem } from './error-response.ts';
import { serveHealth } from './health.ts';
import { observeRequests } from './observe-requests.ts';
import { serveProviderWebhooks } from './provider-webhooks.ts';
import { requestIdOf, traceparentOf } from './request-headers.ts';
import { routes } from './routes/index.ts';
import { serveRoute, type ServeOptions } from './serve-route.ts';

export interface AppOptions extends ServeOptions {
  spool: Spool;
  /** While the process ends, `/readyz` says so and connections are not kept. */
  isStopping?: () => boolean;
}

/** The whole API as an Express application. */
export function createApp(platform: Platform, options: AppOptions): Express {
  const { isStopping = () => false } = options;
  const app = express();
  app.disable('x-powered-by').disable('etag').disable('query parser');
  app.enable('case sensitive routing').enable('strict routing');
  app.use(beginAnswer(isStopping));
  app.use(observeRequests(platform.metrics, platform.log));
  serveHealth(app, platform, isStopping);
  serveDocs(app, platform.settings.PUBLIC_URL);
  serveProviderWebhooks(app, platform, options.spool);
  for (const route of routes) app[route.method](route.path, serveRoute(platform, route, options));
  for (const path of new Set(routes.map((route) => route.path))) app.all(path, refuseMethod(path));
  app.use(() => {
    throw new PlatformError('not_found', 'There is nothing at this path. See /docs.');
  });
  app.use(answerError(platform));
  return app;
}

/** What every answer carries. */
function beginAnswer(isStopping: () => boolean): RequestHandler {
  return (request, response, next) => {
    response.setHeader('X-Request-Id', requestIdOf(request.headers));
    const traceparent = traceparentOf(request.headers);
    if (traceparent !== undefined) response.setHeader('traceparent', traceparent);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    if (isStopping()) response.setHeader('Connection', 'close');
    next();
  };
}

function refuseMethod(path: string): RequestHandler {
  const methods = routes
    .filter((route) => route.path === path)
    .map(({ method }) => method.toUpperCase());
  return (_request, response) => {
    response.setHeader('Allow', methods.join(', '));
    throw new PlatformError('method_not_allowed', `This path takes ${methods.join(' and ')}.`);
  };
}

function answerError(platform: Platform): ErrorRequestHandler {
  // Express tells an error handler by its four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  return (error, request, response, _next) => {
    sendProblem(request, response, error, {
      log: platform.log,
      requestId: String(response.getHeader('X-Request-Id')),
      route: request.method,
    });
  };
}
