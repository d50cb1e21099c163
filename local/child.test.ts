import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild, type ChildSpec } from './child.ts';
import { waitUntilHealthy } from './health.ts';
import { logTail } from './log-file.ts';
import { processIdentity } from './process-identity.ts';

const RUNS_ON = 'setInterval(() => {}, 1000)';
const DEAF = `process.on('SIGTERM', () => {}); ${RUNS_ON}`;

describe('a child', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'child-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** As a Node program of ours, and as a foreign program behind a guard. */
  const kinds = {
    'a Node program': (code: string) => {
      const entry = join(dir, 'program.mjs');
      writeFileSync(entry, code);
      return { entry };
    },
    'a program behind a guard': (code: string) => ({
      command: process.execPath,
      args: ['-e', code],
    }),
  } satisfies Record<string, (code: string) => ChildSpec['program']>;

  function aSpec(program: ChildSpec['program'], change: Partial<ChildSpec> = {}): ChildSpec {
    return { name: 'part', program, logDir: dir, graceMs: 5_000, ...change };
  }

  for (const [kind, program] of Object.entries(kinds)) {
    it(`${kind}: is asked to end, and may end in order`, async () => {
      const ends = `process.on('SIGTERM', () => { console.log('in order'); process.exit(3) });`;
      const child = await startChild(aSpec(program(`${ends}; console.log('up'); ${RUNS_ON}`)));
      await waitUntilHealthy(child, () => Promise.resolve(hasLogged('up')), { timeoutMs: 5_000 });
      await child.stop();
      assert.equal(await child.exited, 'exited with code 3');
      assert.ok(hasLogged('in order'));
    });

    it(`${kind}: is killed when its grace is over`, async () => {
      const code = `${DEAF}; console.log('up')`;
      const child = await startChild(aSpec(program(code), { graceMs: 200 }));
      await waitUntilHealthy(child, () => Promise.resolve(hasLogged('up')), { timeoutMs: 5_000 });
      await child.stop();
      assert.equal(await child.exited, 'was ended by SIGKILL');
      assert.equal(processIdentity(child.pid), undefined);
    });

    it(`${kind}: does not outlive a parent that was killed`, async () => {
      const spec = JSON.stringify(aSpec(program(RUNS_ON)));
      const parent = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        `import { startChild } from ${JSON.stringify(new URL('child.ts', import.meta.url).href)};
         const child = await startChild(${spec}); console.log(child.pid); ${RUNS_ON}`,
      ]);
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(line.toString());
      assert.notEqual(processIdentity(pid), undefined);
      parent.kill('SIGKILL');
      await untilGone(pid);
    });

    it(`${kind}: that ends at once fails with the end of its log`, async () => {
      const code = `console.log('cannot do this'); process.exit(7)`;
      const start = async () => {
        const child = await startChild(aSpec(program(code)));
        await waitUntilHealthy(child, () => Promise.resolve(false), { timeoutMs: 5_000 });
      };
      await assert.rejects(start, /part exited with code 7\. The end of .*\n {4}cannot do this/);
    });
  }

  it('is stopped when it does not become healthy in time', async () => {
    const child = await startChild(aSpec(kinds['a Node program'](RUNS_ON)));
    const wait = waitUntilHealthy(child, () => Promise.resolve(false), { timeoutMs: 100 });
    await assert.rejects(wait, /part was not healthy after 0\.1 s/);
    assert.equal(processIdentity(child.pid), undefined);
  });

  it('a program that does not exist is named', async () => {
    const program = { command: join(dir, 'nowhere'), args: [] };
    await assert.rejects(startChild(aSpec(program)), /part exited with code 127.*\n.*ENOENT/);
  });

  function hasLogged(text: string): boolean {
    return logTail(join(dir, 'part.log')).includes(text);
  }
});

async function untilGone(pid: number): Promise<void> {
  for (const until = Date.now() + 3_000; processIdentity(pid) !== undefined;) {
    assert.ok(Date.now() < until, `process ${pid} is still there`);
    await sleep(20);
  }
}
