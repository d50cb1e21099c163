import { lookup } from 'node:dns';
import { request as requestHttp, Agent as HttpAgent } from 'node:http';
import { request as requestHttps, Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { WebhookPost } from './provider.ts';

const TOTAL_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** Posts to a loopback URL. Redirects are not followed. */
export class WebhookClient {
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  /** The receiver's status. Rejects when there is no whole answer in 10 s, or it is larger than 64 kB. */
  post(url: string, { headers, body }: WebhookPost): Promise<number> {
    const isTls = url.startsWith('https:');
    return new Promise((resolve, reject) => {
      const request = (isTls ? requestHttps : requestHttp)(url, {
        method: 'POST',
        agent: isTls ? this.#https : this.#http,
        headers: { ...headers, 'content-length': body.length },
        signal: AbortSignal.timeout(TOTAL_TIMEOUT_MS),
        lookup: loopbackLookup,
      });
      request.on('error', reject);
      request.on('response', (response) => {
        let bytes = 0;
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too large'));
        });
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      request.end(body);
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

// `localhost` is a name: checked where the connection is made, so that no resolver can lead it elsewhere.
const loopbackLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const loopback = error ? [] : addresses.filter(({ address }) => /^(127\.|::1$)/.test(address));
    const first = loopback[0];
    if (first === undefined) callback(error ?? new Error(`${hostname} is not this machine`), '', 4);
    else if (options.all === true) callback(null, loopback);
    else callback(null, first.address, first.family);
  });
};
