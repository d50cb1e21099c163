import assert from 'node:assert/strict';
import { messageStatusOf } from './message-status.ts';

describe('messageStatusOf', () => {
  const rows = [
    { recipients: ['sent', 'unknown', 'failed'], open: null, status: 'sent' },
    { recipients: ['unknown', 'failed', 'cancelled'], open: null, status: 'unknown' },
    { recipients: ['failed', 'cancelled', 'suppressed'], open: null, status: 'failed' },
    { recipients: ['cancelled', 'suppressed'], open: null, status: 'cancelled' },
    { recipients: ['suppressed'], open: null, status: 'suppressed' },
    { recipients: ['bounced'], open: null, status: 'sent' },
    { recipients: ['delivered', 'pending'], open: 'held', status: 'held' },
    { recipients: ['pending'], open: null, status: 'sending' },
    { recipients: ['unknown'], open: 'reconciling', status: 'reconciling' },
    { recipients: ['delivered'], open: 'reconciling', status: 'sent' },
  ] as const;
  for (const { recipients, open, status } of rows)
    it(`${recipients.join(' + ')}${open ? ` while ${open}` : ''} is ${status}`, () =>
      assert.equal(messageStatusOf([...recipients], open), status));
});
