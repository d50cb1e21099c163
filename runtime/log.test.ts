import assert from 'node:assert/strict';
import { createLog } from './log.ts';

describe('log', () => {
  it('keeps addresses and secrets out, wherever they stand', () => {
    let line = '';
    const log = createLog('test', 'info', { write: (text) => (line = text) });
    log.info(
      {
        err: new Error('550 no such user ada@example.test'),
        url: 'postgres://app:hunter2@127.0.0.1/x',
      },
      'key ep_live_abcdEFGHIJKL and SG.abc.def for Grace <grace@example.test>',
    );
    for (const secret of ['ada@', 'hunter2', 'EFGHIJKL', 'abc.def', 'grace@'])
      assert.ok(!line.includes(secret), line);
    const entry: unknown = JSON.parse(line);
    assert.ok(entry);
    assert.match(line, /"level":"info"/);
  });
});
