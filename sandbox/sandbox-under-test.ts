import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '../runtime/log.ts';
import type { AcceptedLine } from './acceptance-file.ts';
import { startSandbox, type RunningSandbox } from './start-sandbox.ts';

/** What lists hold, mails and faults, as far as tests look. */
interface ListedItem {
  id: string;
  recipients: string[];
  subject: string;
  hits: number;
}

interface ControlAnswer {
  status: number;
  /** Only the fields that its route answers are there. */
  body: Record<string, unknown> & { data: ListedItem[]; publicKey: string };
}

/** A sandbox of a test's own, on free ports, in a folder that goes when it does. */
export interface SandboxUnderTest extends RunningSandbox {
  folder: string;
  /** A call of the control interface. */
  control: (method: string, path: string, body?: unknown) => Promise<ControlAnswer>;
  accepted: () => Promise<AcceptedLine[]>;
  restart: () => Promise<void>;
}

export async function aSandbox(): Promise<SandboxUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
  const start = () =>
    startSandbox(
      {
        LOG_LEVEL: 'warn',
        SANDBOX_HOST: '127.0.0.1',
        SANDBOX_HTTP_PORT: 0,
        SANDBOX_SMTP_PORT: 0,
        SANDBOX_DIR: folder,
        EXIT_WITH_PARENT: false,
      },
      createLog('sandbox', 'warn'),
    );
  let running = await start();
  const sandbox: SandboxUnderTest = {
    ...running,
    folder,
    control: async (method, path, body) => {
      const response = await fetch(`${sandbox.httpUrl}/sandbox${path}`, {
        method,
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      });
      const text = await response.text();
      return { status: response.status, body: JSON.parse(text || '{}') as ControlAnswer['body'] };
    },
    accepted: () => readAccepted(folder),
    restart: async () => {
      await running.close();
      running = await start();
      sandbox.httpUrl = running.httpUrl;
      sandbox.smtpAddress = running.smtpAddress;
    },
    close: async () => {
      await running.close();
      await rm(folder, { recursive: true });
    },
  };
  return sandbox;
}

export async function readAccepted(folder: string): Promise<AcceptedLine[]> {
  const text = await readFile(join(folder, 'accepted.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AcceptedLine);
}

interface Post {
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Takes webhook posts; answers with the next of `statuses`, then 200. */
export async function aReceiver(statuses: number[] = []) {
  const posts: Post[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      posts.push({ headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(statuses.shift() ?? 200, { location: '/elsewhere' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    url: `http://127.0.0.1:${port}/events`,
    posts,
    events: () =>
      posts.flatMap(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>[]),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Waits until `isSo`; fails after 5 s with `what`. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}
