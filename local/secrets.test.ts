import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOrMakeSecrets } from './secrets.ts';

describe('local secrets', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'secrets-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('are made once, for their owner only', () => {
    const made = readOrMakeSecrets(dir);
    assert.deepEqual(readOrMakeSecrets(dir), made);
    assert.equal(statSync(join(dir, 'secrets.json')).mode & 0o777, 0o600);
    assert.equal(Buffer.from(made.masterKey, 'base64').length, 32);
    assert.equal(new Set(Object.values(made.passwords)).size, 5);
    assert.deepEqual(readdirSync(dir), ['secrets.json']);
  });

  it('that cannot be read are never replaced', () => {
    writeFileSync(join(dir, 'secrets.json'), '{"masterKey":');
    assert.throws(() => readOrMakeSecrets(dir), /secrets\.json cannot be read\. Restore it/);
  });
});
