import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { aKey, callApi } from '../test/support/api.ts';
import { aPlatform } from '../test/support/platform.ts';
import { aTenant, anAccount } from '../test/support/tenant.ts';
import type { Platform } from '../services/platform.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const mail = { from: 'hello@acme.test', to: 'ada@example.test', subject: 'Hello', text: 'Hello' };

interface Api {
  url: string;
  child: ChildProcess;
  lines: string[];
}

describe('the api process', () => {
  let folder: string;
  let platform: Platform;
  let key: string;
  const running: Api[] = [];

  async function start(): Promise<Api> {
    const { settings } = platform;
    const child = spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: settings.DATABASE_URL,
        DATABASE_RELAY_URL: settings.DATABASE_RELAY_URL,
        DATABASE_OPERATOR_URL: settings.DATABASE_OPERATOR_URL,
        MASTER_KEY: settings.MASTER_KEY,
        TEMPORAL_ADDRESS: '127.0.0.1:1', // away
        API_PORT: '0',
        SPOOL_DIR: join(folder, `spool-${running.length}`),
      },
    });
    const lines: string[] = [];
    const api = await new Promise<Api>((resolve, reject) => {
      child.once('exit', () => reject(new Error(lines.join('\n'))));
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        const { address } = JSON.parse(line) as { address?: string };
        if (address !== undefined) resolve({ url: address, child, lines });
      });
    });
    running.push(api);
    return api;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'email-platform-api-'));
    platform = await aPlatform();
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    key = await aKey(ctx);
    await Promise.all([start(), start()]);
  });
  after(async () => {
    for (const { child } of running) child.kill('SIGKILL');
    await platform.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('accepts while Temporal is away; two processes answer one key with one id', async () => {
    const post = ({ url }: Api, round: number) =>
      callApi(url, 'POST', '/v1/messages', {
        key,
        body: mail,
        headers: { 'idempotency-key': `round ${round}` },
      });
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(running.map((api) => post(api, round)));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [202, 202],
      );
      assert.equal(new Set(answers.map(({ json }) => json.id as string)).size, 1);
    }
  });

  it('grows by less than 32 MB over bodies that it refuses', async () => {
    const [{ url }] = running as [Api];
    const rss = async () =>
      Number(
        /process_resident_memory_bytes\{[^}]*\} (\d+)/.exec(
          (await callApi(url, 'GET', '/metrics')).text,
        )?.[1],
      );
    await rss();
    const before = await rss();
    const deep = `{"variables":${'['.repeat(900_000)}`;
    for (let n = 0; n < 5; n += 1)
      assert.equal((await callApi(url, 'POST', '/v1/messages', { key, body: deep })).status, 413);
    await sendEndlessBody(url, key, 100);
    const grown = (await rss()) - before;
    assert.ok(grown < 32 * 1024 * 1024, `${Math.round(grown / 1024 / 1024)} MB`);
  });

  it('lets a running request end at SIGTERM, takes no new one, and exits with 0', async () => {
    const api = await start();
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const body = JSON.stringify(mail);
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    const exited = once(api.child, 'exit');
    api.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await assert.rejects(callApi(api.url, 'GET', '/livez'));
    socket.write(body.slice(10));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 202 /);
    assert.deepEqual(await exited, [0, null]);
    assert.match(api.lines.at(-1) ?? '', /api stopped/);
  });
});

/** Megabytes of spaces to an operation that takes one. */
async function sendEndlessBody(url: string, key: string, megabytes: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => undefined); // cut off in the end
  const closed = new Promise((resolve) => socket.resume().once('close', resolve));
  socket.write(
    `POST /v1/templates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
      'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
  );
  const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
  for (let n = 0; n < megabytes && !socket.destroyed; n += 1)
    if (!socket.write(chunk))
      await Promise.race([once(socket, 'drain').catch(() => undefined), closed]);
  if (!socket.destroyed) socket.end('0\r\n\r\n');
  await closed;
}
