import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../child.ts';
import { isHttpHealthy, waitUntilHealthy } from '../health.ts';
import { freePort } from '../ports.ts';
import { findTemporalBinary } from './temporal-binary.ts';
import { startTemporal } from './temporal.ts';

describe('Temporal', function () {
  this.timeout(240_000); // the program may have to be fetched first
  let dir: string;
  let binary: string;

  before(async () => {
    const cacheDir = fileURLToPath(new URL('../../.cache', import.meta.url));
    binary = await findTemporalBinary({ cacheDir, environment: process.env, say: console.error });
    dir = mkdtempSync(join(tmpdir(), 'temporal-'));
  });
  after(() => rmSync(dir, { recursive: true }));

  async function startIn(folder: string, uiPort?: number) {
    const options = { binary, dir: join(dir, folder), logDir: dir, port: await freePort() };
    return startTemporal({ ...options, uiPort, isThrownAway: true });
  }

  function attributesOf(address: string): string[] {
    const list = ['operator', 'search-attribute', 'list', '--address', address, '-o', 'json'];
    const { customAttributes } = JSON.parse(execFileSync(binary, list, { encoding: 'utf8' }));
    return Object.keys(customAttributes as Record<string, string>).sort();
  }
  const ours = ['CampaignId', 'Provider', 'SendStatus', 'Stream', 'TemplateKey', 'TenantId'];

  it('has our search attributes, its Web UI and its metrics', async () => {
    const running = await startIn('new', await freePort());
    try {
      assert.deepEqual(attributesOf(running.address), ours);
      assert.ok(await isHttpHealthy(running.uiUrl!));
      assert.ok(await isHttpHealthy(running.metricsUrl));
    } finally {
      await running.stop();
    }
  });

  it('adds search attributes that an existing database lacks', async () => {
    await makeDatabaseWithout('old');
    const running = await startIn('old');
    try {
      assert.deepEqual(attributesOf(running.address), ours);
    } finally {
      await running.stop();
    }
  });

  it('says why it does not start, and leaves no process', async () => {
    const running = await startIn('one');
    try {
      const port = Number(running.address.split(':')[1]);
      const second = startTemporal({ binary, dir: join(dir, 'two'), logDir: join(dir, 'b'), port });
      await assert.rejects(second, /temporal exited with code 1\. The end of .*\n.*in use/s);
    } finally {
      await running.stop();
    }
  });

  async function makeDatabaseWithout(folder: string) {
    mkdirSync(join(dir, folder));
    const [port, http] = [await freePort(), await freePort()];
    const flags = ['--headless', '--port', `${port}`, '--http-port', `${http}`, '--db-filename'];
    const args = ['server', 'start-dev', ...flags, join(dir, folder, 'temporal.db')];
    const program = { command: binary, args };
    const child = await startChild({ name: 'temporal', program, logDir: dir, graceMs: 0 });
    const url = `http://127.0.0.1:${http}/api/v1/namespaces/default`;
    await waitUntilHealthy(child, () => isHttpHealthy(url), { timeoutMs: 30_000 });
    await child.stop();
  }
});
