import type { Express, Request } from 'express';
import { PlatformError } from '../domain/platform-error.ts';
import { verifiable } from '../services/events/receive-webhook.ts';
import type { Spool } from '../services/events/spool.ts';
import type { Platform } from '../services/platform.ts';
import { sendProblem, toPlatformError } from './error-response.ts';
import { readBody } from './read-body.ts';

const BODY_LIMIT_BYTES = 2 * 1024 * 1024;
const PATH = '/provider-webhooks/:provider/:accountId/:token';

/** What providers post: its bytes are kept as they came, and the answer is the one that this provider understands. */
export function serveProviderWebhooks(app: Express, platform: Platform, spool: Spool): void {
  app.post(PATH, async (request, response) => {
    const { provider } = request.params;
    let release: () => void = () => undefined;
    try {
      // What is none of ours has no place in memory or in the counters.
      const { webhook } = verifiable(provider);
      const received = await readBody(request, BODY_LIMIT_BYTES);
      release = received.release;
      const status = await receive(request, received.bytes).catch((error: unknown) => {
        if (toPlatformError(error).code !== 'unavailable') throw error;
        platform.log.warn({ err: error, provider }, 'a provider webhook could not be kept');
        response.setHeader('Retry-After', '30');
        return webhook.answers.unavailable;
      });
      platform.metrics.webhooks.inc({ provider, answer: String(status) });
      response.status(status).end();
    } catch (error) {
      if (request.destroyed && !request.complete) return; // whoever posted has hung up
      sendProblem(request, response, error, {
        log: platform.log,
        requestId: String(response.getHeader('X-Request-Id')),
        route: PATH,
      });
    } finally {
      release();
    }
  });
  app.all(PATH, (_request, response) => {
    response.setHeader('Allow', 'POST');
    throw new PlatformError('method_not_allowed', 'This path takes POST.');
  });

  async function receive(
    request: Request<{ provider: string; accountId: string; token: string }>,
    body: Buffer,
  ): Promise<number> {
    const { provider, accountId, token } = request.params;
    const { status } = await spool.receive({
      provider,
      account: accountId,
      token,
      headers: request.headers,
      body,
      receivedAt: platform.now(),
    });
    return status;
  }
}
