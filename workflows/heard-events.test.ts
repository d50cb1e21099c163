import assert from 'node:assert/strict';
import { HeardEvents } from './heard-events.ts';

describe('what a run heard', () => {
  it('settles a recipient whatever comes first', () => {
    for (const kinds of [
      ['delivered'],
      ['sent', 'delivered'],
      ['delivered', 'sent'],
      ['deferred', 'bounced', 'sent'],
    ]) {
      const heard = new HeardEvents();
      for (const kind of kinds) heard.hear({ recipientId: 'a', kind });
      assert.ok(heard.isSettled('a') && heard.isClear('a'), kinds.join());
    }
  });

  it('may clarify a recipient without settling it', () => {
    const heard = new HeardEvents();
    heard.hear({ recipientId: 'a', kind: 'sent' });
    assert.deepEqual(
      [heard.isClear('a'), heard.isSettled('a'), heard.isClear('b')],
      [true, false, false],
    );
  });
});
