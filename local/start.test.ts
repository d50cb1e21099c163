import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { emptyDataFolder, type Running } from './data-folder.ts';
import { processIdentity } from './process-identity.ts';
import { requestRestart } from './restart-request.ts';
import { until } from '../test/support/until.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ANY_PORT = '0';
const QUICK = { LOCAL_ONLY: 'postgres' }; // Temporal takes a second to stop

describe('npm start', function () {
  this.timeout(60_000);
  let dataDir: string;
  let environment: Record<string, string | undefined>;
  const starts: ChildProcess[] = [];

  before(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'email-platform-start-'));
    environment = {
      ...process.env,
      LOCAL_DATA_DIR: dataDir,
      LOCAL_ONLY: 'postgres,temporal',
      POSTGRES_PORT: ANY_PORT,
      TEMPORAL_PORT: ANY_PORT,
      TEMPORAL_UI_PORT: ANY_PORT,
    };
  });
  afterEach(async () => {
    for (const start of starts.splice(0)) {
      if (start.exitCode !== null || start.signalCode !== null) continue;
      start.kill('SIGTERM');
      await once(start, 'exit');
    }
  });
  after(() => {
    emptyDataFolder(dataDir);
    rmSync(dataDir, { recursive: true });
  });

  function start(change: Record<string, string> = {}) {
    const child = spawn(process.execPath, ['local/start.mjs'], {
      cwd: ROOT,
      env: { ...environment, ...change },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    starts.push(child);
    const output = { text: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output.text += chunk.toString()));
    return { child, output };
  }

  async function startAndWait(change: Record<string, string> = {}) {
    const { child, output } = start(change);
    while (!output.text.includes('Everything runs')) {
      assert.equal(child.exitCode, null, output.text);
      await sleep(20);
    }
    const running = readRunning();
    return { child, output, running, pids: Object.values(running.parts).map(({ pid }) => pid) };
  }

  function readRunning() {
    return JSON.parse(readFileSync(join(dataDir, 'running.json'), 'utf8')) as Running;
  }

  function runScript(script: string) {
    return spawn(process.execPath, [`local/${script}`], { cwd: ROOT, env: environment });
  }

  it('ends with everything running, and Ctrl-C leaves nothing', async () => {
    const { child, output, pids } = await startAndWait();
    assert.match(output.text, /PostgreSQL +\d\.\d\d s +127\.0\.0\.1:\d+/);
    // The summary is printed after running.json is there, which is what was waited for.
    await until(
      () => Promise.resolve(output.text),
      (text) => /Temporal Web UI +http:\/\/127\.0\.0\.1:\d+/.test(text),
    );
    assert.equal(statSync(join(dataDir, 'running.json')).mode & 0o777, 0o600);
    assert.equal(pids.length, 2);

    child.kill('SIGINT');
    child.kill('SIGINT'); // a terminal and npm both send it
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.match(output.text, /Temporal +.* stopped\nPostgreSQL +.* stopped\n$/);
    assert.deepEqual(pids.filter(processIdentity), []);
    assert.deepEqual(readdirSync(join(dataDir, 'run')), []);
    assert.ok(!existsSync(join(dataDir, 'running.json')));
  });

  it('keeps rows and runs over a kill -9 of the supervisor, and starts again at once', async () => {
    const first = await startAndWait();
    await insert(first.running, 'before the kill');
    await startWorkflow(first.running, 'before-the-kill');
    process.kill(first.running.pid, 'SIGKILL');
    assert.deepEqual(await once(first.child, 'exit'), [null, 'SIGKILL']);

    const second = await startAndWait();
    assert.deepEqual(first.pids.filter(processIdentity), []);
    assert.deepEqual(await rows(second.running), ['before the kill']);
    assert.equal(await workflowStatus(second.running, 'before-the-kill'), 'RUNNING');
  });

  it('ends what lost its supervisor and its guard', async () => {
    const first = await startAndWait();
    const guards = first.pids.map(parentOf);
    for (const pid of [first.running.pid, ...guards]) process.kill(pid, 'SIGKILL');
    await once(first.child, 'exit');
    assert.equal(first.pids.filter(processIdentity).length, 2);

    const second = await startAndWait();
    assert.match(second.output.text, /Left over from an earlier start, ended now: postgres/);
    assert.deepEqual(first.pids.filter(processIdentity), []);
  });

  for (const part of ['postgres', 'temporal']) {
    it(`stops everything and fails when ${part} dies, and starts again`, async () => {
      const { child, output, running, pids } = await startAndWait();
      process.kill(running.parts[part]!.pid, 'SIGKILL');
      assert.deepEqual(await once(child, 'exit'), [1, null]);
      assert.match(output.text, new RegExp(`${part}.* was ended by SIGKILL`, 'i'));
      assert.deepEqual(pids.filter(processIdentity), []);
      await startAndWait();
    });
  }

  it('starts a part again whose death was announced, for that one process only', async () => {
    const { child, output, running } = await startAndWait();
    const { pid } = running.parts.temporal!;
    await startWorkflow(running, 'before-the-restart');
    requestRestart(join(dataDir, 'run'), 'temporal', pid);
    process.kill(pid, 'SIGKILL');
    let next = pid;
    while (next === pid) {
      assert.equal(child.exitCode, null, output.text);
      await sleep(20);
      next = readRunning().parts.temporal!.pid;
    }
    assert.match(output.text, /Temporal was ended by SIGKILL, as announced: starting it again/);
    assert.equal(await workflowStatus(running, 'before-the-restart'), 'RUNNING');

    process.kill(next, 'SIGKILL');
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    assert.deepEqual(readdirSync(join(dataDir, 'run')), []);
  });

  it('stops everything when its own `npm start` is killed, and the next one waits for that', async () => {
    const first = await startAndWait();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await startAndWait();
    assert.deepEqual([first.running.pid, ...first.pids].filter(processIdentity), []);
  });

  it('is one at a time on its data, which cannot be reset meanwhile', async () => {
    const { child, running } = await startAndWait(QUICK);
    const second = start();
    assert.deepEqual(await once(second.child, 'exit'), [1, null]);
    assert.match(second.output.text, new RegExp(`runs already \\(pid ${running.pid}\\)`));
    assert.deepEqual(await once(runScript('reset.ts'), 'exit'), [1, null]);
    assert.ok(existsSync(join(dataDir, 'secrets.json')));

    const stopped = once(child, 'exit');
    assert.deepEqual(await once(runScript('stop.ts'), 'exit'), [0, null]);
    assert.deepEqual(await stopped, [0, null]);
  });

  it('stops what has started when it is stopped half-way', async () => {
    const { child, output } = start();
    while (!output.text.includes('PostgreSQL')) await sleep(5);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.deepEqual(readdirSync(join(dataDir, 'run')), []);
  });

  it('refuses a port in use, and names the setting', async () => {
    const { running } = await startAndWait(QUICK);
    const port = new URL(running.addresses.DATABASE_URL!).port;
    const other = mkdtempSync(join(tmpdir(), 'email-platform-start-'));
    try {
      const second = start({ LOCAL_DATA_DIR: other, POSTGRES_PORT: port });
      assert.deepEqual(await once(second.child, 'exit'), [1, null]);
      assert.match(second.output.text, new RegExp(`POSTGRES_PORT: port ${port} is in use`));
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it('resets to an empty folder, but no folder of somebody else', async () => {
    assert.deepEqual(await once(runScript('reset.ts'), 'exit'), [0, null]);
    assert.deepEqual(readdirSync(dataDir), []);

    environment.LOCAL_DATA_DIR = join(ROOT, 'local');
    assert.deepEqual(await once(runScript('reset.ts'), 'exit'), [1, null]);
    const { child, output } = start();
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    assert.match(output.text, /LOCAL_DATA_DIR: .* holds other files/);
    environment.LOCAL_DATA_DIR = dataDir;
    await startAndWait(QUICK); // so that there is something to empty afterwards
  });
});

function parentOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }));
}

async function query(running: Running, sql: string, values: string[] = []) {
  const client = new pg.Client({ connectionString: running.addresses.DATABASE_OWNER_URL });
  await client.connect();
  try {
    return (await client.query<{ text: string }>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

async function insert(running: Running, text: string) {
  await query(running, 'create table if not exists kept (text text)');
  await query(running, 'insert into kept values ($1)', [text]);
}

async function rows(running: Running) {
  return (await query(running, 'select text from kept')).map(({ text }) => text);
}

async function withTemporal<T>(running: Running, use: (client: Client) => Promise<T>) {
  const connection = await Connection.connect({ address: running.addresses.TEMPORAL_ADDRESS });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function startWorkflow(running: Running, workflowId: string) {
  const options = { workflowId, taskQueue: 'nobody', args: [] };
  await withTemporal(running, (client) => client.workflow.start('waitsForAWorker', options));
}

async function workflowStatus(running: Running, workflowId: string) {
  return withTemporal(running, async (client) => {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name;
  });
}
