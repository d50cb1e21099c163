import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { passwordFileOf, summaryOf, tableOf } from './summary.ts';

describe('the summary', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'summary-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const addresses = {
    API_URL: 'http://127.0.0.1:3001',
    TEMPORAL_UI_URL: 'http://127.0.0.1:8233',
    DATABASE_OWNER_URL: 'postgres://owner:s3cret@127.0.0.1:5433/email',
  };

  it('lines up what is known and leaves the rest out', () => {
    const table = tableOf([
      ['API', 'http://a'],
      ['Sandbox', undefined],
      ['PostgreSQL', 'psql'],
    ]);
    assert.equal(table, '  API         http://a\n  PostgreSQL  psql');
  });

  it('shows where things are, and no secret', () => {
    writeFileSync(join(dataDir, 'demo-api-key'), 'ep_live_secret');
    const summary = summaryOf({ addresses, dataDir, from: dataDir });
    assert.match(summary, /API docs +http:\/\/127\.0\.0\.1:3001\/docs\n/);
    assert.match(summary, /PGPASSFILE=pgpass psql -h 127\.0\.0\.1 -p 5433 -U owner email\n/);
    assert.match(summary, /Demo key \(live\) +demo-api-key\n/);
    assert.doesNotMatch(summary, /s3cret|ep_live_secret|Sandbox|test\)/);
  });

  it('ends with a call that a shell turns into a request with the key', () => {
    writeFileSync(join(dataDir, 'demo-api-key'), 'ep_live_abc\n');
    const summary = summaryOf({ addresses, dataDir, from: '/' });
    const [call] = summary.slice(summary.indexOf('  curl')).split('\n\n');
    const asShown = `curl() { printf '%s\\n' "$@"; }; ${call ?? ''}`;
    const words = execFileSync('/bin/sh', ['-c', asShown], { encoding: 'utf8', cwd: '/' }).split(
      '\n',
    );
    assert.ok(words.includes('http://127.0.0.1:3001/v1/messages'));
    assert.ok(words.includes('Authorization: Bearer ep_live_abc'));
    assert.deepEqual(JSON.parse(words[words.indexOf('-d') + 1]!), {
      from: 'Acme <hello@acme.test>',
      to: 'ada@example.com',
      subject: 'Hello {{ name }}',
      text: 'Dear {{ name }}, this mail explains itself.',
      variables: { name: 'Ada' },
    });
  });

  it('offers no call before there is a key', () => {
    assert.doesNotMatch(summaryOf({ addresses, dataDir, from: '/' }), /curl/);
  });

  it('writes passwords as libpq reads them', () => {
    const file = passwordFileOf([
      addresses.DATABASE_OWNER_URL,
      undefined,
      'postgres://a:b%3Ac@h/d',
    ]);
    assert.equal(file, '127.0.0.1:5433:email:owner:s3cret\nh:5432:d:a:b\\:c\n');
  });
});
