import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import type { Log } from '../runtime/log.ts';
import type { SandboxSettings } from '../runtime/settings.ts';
import { AcceptanceFile } from './acceptance-file.ts';
import { AppendFile } from './append-file.ts';
import { answerControl, type ControlledSandbox } from './control-api.ts';
import { EventReporter } from './event-reporter.ts';
import { Faults } from './faults.ts';
import { readBody, writeAnswer } from './http-transport.ts';
import { answerInbox } from './inbox-page.ts';
import { Inbox } from './inbox.ts';
import type { HttpAnswer, Listener, Reception, WebhookStyle } from './provider.ts';
import { providers } from './providers/index.ts';
import { receiveCall, type Desk } from './receive-call.ts';
import { Switches } from './switches.ts';
import { WebhookRegistry } from './webhook-registry.ts';

const MAX_CONTROL_BODY_BYTES = 1024 * 1024;

export interface RunningSandbox {
  /** http://host:port; a provider's base URL is this and `/<kind>`. */
  httpUrl: string;
  /** host:port */
  smtpAddress: string;
  close: () => Promise<void>;
}

/**
 * Pretend mail providers on the ports of `settings` (0 takes a free one). What was accepted, the switches, webhook
 * registrations and open events of the last run in `SANDBOX_DIR` are taken up.
 */
export async function startSandbox(settings: SandboxSettings, log: Log): Promise<RunningSandbox> {
  const sandbox = await openSandbox(settings.SANDBOX_DIR, log);
  const { desk } = sandbox;
  const reception: Reception = {
    log,
    faults: desk.faults,
    receive: (call) => receiveCall(desk, call),
  };
  const http = await listenHttp(sandbox, reception, settings);
  const smtp = await listenSmtp(reception, settings);
  return {
    httpUrl: `http://${http.address}`,
    smtpAddress: smtp.address,
    close: async () => {
      await Promise.all([http.close(), smtp.close()]);
      desk.reporter.close();
      await Promise.all([desk.inbox.close(), desk.accepted.close(), desk.repeated.close()]);
      await sandbox.settled.close();
    },
  };
}

async function openSandbox(
  folder: string,
  log: Log,
): Promise<ControlledSandbox & { settled: AppendFile }> {
  await mkdir(folder, { recursive: true });
  const accepted = await AcceptanceFile.open(join(folder, 'accepted.jsonl'));
  if (accepted.tornBytes > 0)
    log.warn({ bytes: accepted.tornBytes }, 'cut off a torn, unanswered line of accepted.jsonl');
  const repeated = await AppendFile.open(join(folder, 'repeated.jsonl'), { sync: false });
  const settled = await AppendFile.open(join(folder, 'settled.jsonl'), { sync: false });
  const switches = await Switches.open(folder);
  if (switches.honoursAny) await accepted.rememberCalls();
  const registry = await WebhookRegistry.open(folder, providers);
  const styles = new Map<string, WebhookStyle>();
  for (const { kind, webhook } of providers) if (webhook) styles.set(kind, webhook);
  const faults = new Faults();
  const parts = { log, faults, switches, registry, accepted, settled, styles };
  const reporter = new EventReporter(parts);
  await reporter.resume();
  const inbox = await Inbox.open(folder, log);
  const counters = { calls: 0, repeated: 0, refused: 0, cut: 0, unanswered: 0 };
  const desk: Desk = { log, faults, switches, accepted, repeated, reporter, inbox, counters };
  return { desk, registry, styles, settled, kinds: providers.map(({ kind }) => kind) };
}

async function listenHttp(
  sandbox: ControlledSandbox,
  reception: Reception,
  { SANDBOX_HOST: host, SANDBOX_HTTP_PORT: port }: SandboxSettings,
): Promise<Listener> {
  const server = createServer((request, response) => {
    answerRequest(sandbox, reception, request)
      .catch((err: unknown): HttpAnswer => {
        reception.log.warn({ err }, 'a request failed');
        return { status: 500 };
      })
      .then((answer) => writeAnswer(response, answer))
      .catch((err: unknown) => reception.log.warn({ err }, 'an answer was not written'));
  });
  const bound = await listening(server, host, port);
  return {
    address: `${host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

async function listenSmtp(reception: Reception, settings: SandboxSettings): Promise<Listener> {
  const smtp = providers.find(({ listen }) => listen !== undefined);
  if (smtp?.listen === undefined) throw new Error('no provider speaks SMTP');
  const { SANDBOX_HOST: host, SANDBOX_SMTP_PORT: port } = settings;
  return smtp.listen(reception, { host, port });
}

async function answerRequest(
  sandbox: ControlledSandbox,
  reception: Reception,
  request: IncomingMessage,
): Promise<HttpAnswer> {
  const { method = 'GET', url = '/', headers } = request;
  const [, kind = ''] = /^\/([a-z]+)\//.exec(url) ?? [];
  const http = providers.find((provider) => provider.kind === kind)?.http;
  const body = await readBody(request, http?.maxBodyBytes ?? MAX_CONTROL_BODY_BYTES);
  if (body === 'too large') return http?.tooLarge ?? { status: 413 };
  if (http) {
    const path = new URL(url.slice(kind.length + 1), 'http://sandbox').pathname;
    return http.answer({ method, path, headers, body }, reception);
  }
  const control = { method, path: url, headers, body };
  return (
    (await answerControl(sandbox, control)) ??
    (await answerInbox(sandbox.desk.inbox, sandbox.desk.switches.eventDelayMs, control)) ?? {
      status: 404,
      body: 'There is nothing here. The inbox is at /.\n',
    }
  );
}
