import http from 'node:http';
import https from 'node:https';
import { Client } from '@sendgrid/client';
import { AccountCache } from '../account-cache.ts';
import type { ProviderAccount } from '../provider.ts';
import { closeIdleConnections, createConnectedAgent } from './connected-agent.ts';
import { baseUrlOf, type SendGridCredentials, type SendGridSettings } from './settings.ts';

const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_ACCOUNTS = 500;

export type SendGridAccount = ProviderAccount<SendGridCredentials, SendGridSettings>;

/**
 * How far one request has come; what a failure means depends on it. `building`: the SDK still makes the request;
 * `connecting`: nothing was written; `stopped`: `beforeWrite` said no, nothing was written; `written`: from here on
 * it may have taken effect.
 */
export type Phase = 'building' | 'connecting' | 'stopped' | 'written';

export interface Call {
  phase: Phase;
  signal: AbortSignal;
  beforeWrite: () => void;
}

interface Connection {
  apiKey: string;
  baseUrl: string;
  agent: http.Agent;
}

const connections = new AccountCache<Connection, SendGridCredentials, SendGridSettings>({
  max: MAX_ACCOUNTS,
  create: ({ credentials, settings }) => {
    const baseUrl = baseUrlOf(settings);
    const agent = createConnectedAgent(baseUrl.startsWith('https:') ? 'https:' : 'http:');
    return { apiKey: credentials.apiKey, baseUrl, agent };
  },
  close: ({ agent }) => {
    closeIdleConnections(agent);
  },
});

export function closeConnections(): void {
  connections.closeAll();
}

/** The SDK's client for one call over the account's connections: it has no options per request, we need three. */
export function clientFor(account: SendGridAccount, call: Call): Client {
  return new CallClient(connections.get(account), call);
}

class CallClient extends Client {
  readonly #connection: Connection;
  readonly #call: Call;

  constructor(connection: Connection, call: Call) {
    super();
    this.#connection = connection;
    this.#call = call;
    // Not setApiKey(): it writes to the console when a key does not begin with "SG.", and resets the base URL.
    this.setDefaultHeader('Authorization', `Bearer ${connection.apiKey}`);
    this.setDefaultRequest('baseUrl', connection.baseUrl);
  }

  /** What the SDK hands to axios. */
  override createRequest(data: Parameters<Client['createRequest']>[0]) {
    this.#call.phase = 'connecting';
    return {
      ...super.createRequest(data),
      transport: { request: this.#request }, // Node's own, which follows no redirects
      signal: this.#call.signal,
      maxContentLength: MAX_ANSWER_BYTES,
      proxy: false, // axios would take one from the environment
    };
  }

  readonly #request = (options: https.RequestOptions, onAnswer: (answer: object) => void) => {
    const transport = options.protocol === 'https:' ? https : http;
    const { agent } = this.#connection;
    const request = transport.request({ ...options, agent }, onAnswer);
    // The socket is connected (see the agent), and Node writes the request right after this event.
    request.once('socket', () => {
      try {
        this.#call.beforeWrite();
        this.#call.phase = 'written';
      } catch (error) {
        this.#call.phase = 'stopped';
        request.destroy(error instanceof Error ? error : undefined);
      }
    });
    return request;
  };
}
