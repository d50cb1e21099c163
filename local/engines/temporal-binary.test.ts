import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findTemporalBinary, isAtLeast, type BinaryFetcher } from './temporal-binary.ts';

describe('the Temporal binary', () => {
  let dir: string;
  let said: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'temporal-binary-'));
    said = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function aBinary(path: string, server = '1.32.0'): string {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    const line = `temporal version 9.9.9 (Server ${server}, UI 2.54.1)`;
    writeFileSync(file, `#!/bin/sh\necho '${line}'\n`);
    chmodSync(file, 0o755);
    return file;
  }
  function aFetcher(name: string, fetchInto: BinaryFetcher['fetchInto']): BinaryFetcher {
    return { name, fetchInto };
  }
  const noFetcher = aFetcher('nothing', () => Promise.reject(new Error('not to be asked')));

  function find(
    environment: { TEMPORAL_CLI_PATH?: string; PATH?: string },
    fetchers = [noFetcher],
  ) {
    const cacheDir = join(dir, 'cache');
    return findTemporalBinary({ cacheDir, environment, say: (line) => said.push(line), fetchers });
  }

  it('is first of all the one that the setting names, whatever its version', async () => {
    const given = aBinary('given/temporal', '1.20.0');
    aBinary('path/temporal');
    assert.equal(await find({ TEMPORAL_CLI_PATH: given, PATH: join(dir, 'path') }), given);
  });

  it('is not another one when the setting names a wrong one', async () => {
    aBinary('path/temporal');
    const search = find({ TEMPORAL_CLI_PATH: join(dir, 'nowhere'), PATH: join(dir, 'path') });
    await assert.rejects(search, /TEMPORAL_CLI_PATH: .*nowhere is not a Temporal CLI/);
  });

  it('is the one on PATH, before the cache', async () => {
    const onPath = aBinary('path/temporal', '1.33.1');
    aBinary('cache/temporal-1.9.1/temporal');
    assert.equal(await find({ PATH: `${join(dir, 'empty')}:${join(dir, 'path')}` }), onPath);
    assert.deepEqual(said, []);
  });

  it('passes over an old one on PATH, with a word, and takes the cached one', async () => {
    const old = aBinary('path/temporal', '1.31.9');
    const cached = aBinary('cache/temporal-1.9.1/temporal');
    assert.equal(await find({ PATH: join(dir, 'path') }), cached);
    assert.equal(
      said[0],
      `${old} is passed over: its server is 1.31.9, wanted is 1.32.0 or newer.`,
    );
  });

  it('is fetched by the first way that works, and cached', async () => {
    const broken = aFetcher('broken', () => Promise.reject(new Error('no network')));
    const working = aFetcher('working', (folder) =>
      Promise.resolve(aBinary(join(folder, 'temporal').slice(dir.length))),
    );
    const found = await find({}, [broken, working, noFetcher]);
    assert.equal(found, join(dir, 'cache/temporal-1.9.1/temporal'));
    assert.deepEqual(readdirSync(join(dir, 'cache')), ['temporal-1.9.1']);
    assert.equal(await find({}), found);
  });

  it('is whole for two that fetch at once', async () => {
    const slow = aFetcher('slow', async (folder) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return aBinary(join(folder, 'temporal').slice(dir.length));
    });
    const [one, other] = await Promise.all([find({}, [slow]), find({}, [slow])]);
    assert.equal(one, other);
    assert.deepEqual(readdirSync(join(dir, 'cache')), ['temporal-1.9.1']);
  });

  it('passes over a fetched one that does not run here', async () => {
    const foreign = aFetcher('foreign', (folder) => {
      const file = join(folder, 'temporal');
      writeFileSync(file, 'not a program');
      return Promise.resolve(file);
    });
    await assert.rejects(find({}, [foreign]), /foreign: it does not run here/);
    assert.deepEqual(readdirSync(join(dir, 'cache')), []);
  });

  it('when there is none, is a sentence that says what to do', async () => {
    const broken = aFetcher('broken', () => Promise.reject(new Error('no network')));
    await assert.rejects(
      find({}, [broken]),
      /^Error: No Temporal CLI: install it .*TEMPORAL_CLI_PATH.*python3.* Tried: broken: no network\.$/,
    );
  });

  it('compares versions by number', () => {
    assert.ok(isAtLeast('1.32.0', '1.32.0'));
    assert.ok(isAtLeast('1.100.0', '1.32.0'));
    assert.ok(isAtLeast('2.0.0', '1.32.0'));
    assert.ok(!isAtLeast('1.4.5', '1.32.0'));
  });
});
