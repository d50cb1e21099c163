import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processIdentity } from './process-identity.ts';
import {
  endLeftovers,
  releaseLock,
  runningSupervisor,
  takeLock,
  writeRecord,
  type RunRecord,
} from './run-records.ts';

describe('records of what runs', () => {
  let runDir: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    runDir = mkdtempSync(join(tmpdir(), 'run-records-'));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(runDir, { recursive: true, force: true });
  });

  async function aProcess(code = 'setInterval(() => {}, 1000)') {
    const child = spawn(process.execPath, ['-e', `${code}; console.log('up')`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  }
  function aRecord(child: ChildProcess, change: Partial<RunRecord> = {}): RunRecord {
    const pid = child.pid!;
    const identity = processIdentity(pid)!;
    return { name: 'worker', pid, identity, stopSignal: 'SIGTERM', graceMs: 300, ...change };
  }

  it('ends a process that was left over, and forgets it', async () => {
    const child = await aProcess();
    writeRecord(runDir, aRecord(child));
    assert.deepEqual(await endLeftovers(runDir), [`worker (pid ${child.pid})`]);
    assert.equal(processIdentity(child.pid!), undefined);
    assert.deepEqual(readdirSync(runDir), []);
  });

  it('kills one that does not end when asked', async () => {
    const child = await aProcess(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`);
    writeRecord(runDir, aRecord(child));
    const exited = once(child, 'exit');
    await endLeftovers(runDir);
    assert.deepEqual(await exited, [null, 'SIGKILL']);
  });

  it('leaves a process alone that got the number of ours later', async () => {
    const child = await aProcess();
    const other = await aProcess();
    writeRecord(runDir, aRecord(child, { identity: processIdentity(other.pid!)! }));
    assert.deepEqual(await endLeftovers(runDir), []);
    assert.notEqual(processIdentity(child.pid!), undefined);
  });

  it('tells two runs of one command apart', async () => {
    const [one, other] = [await aProcess(), await aProcess()];
    assert.notEqual(processIdentity(one.pid!), processIdentity(other.pid!));
  });

  it('survives a record that was torn by a crash', async () => {
    writeFileSync(join(runDir, 'api.json'), '{"name":"ap');
    assert.deepEqual(await endLeftovers(runDir), []);
  });

  it('lets one supervisor hold the folder, and takes it over from a dead one', async () => {
    assert.equal(takeLock(runDir).pid, process.pid);
    releaseLock(runDir);

    const other = await aProcess();
    writeRecord(runDir, aRecord(other, { name: 'supervisor' }));
    assert.equal(takeLock(runDir).pid, other.pid);
    other.kill('SIGKILL');
    await once(other, 'exit');
    assert.equal(takeLock(runDir).pid, process.pid);
    assert.equal(runningSupervisor(runDir)?.pid, process.pid);
  });
});
