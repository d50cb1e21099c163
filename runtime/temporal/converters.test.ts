import assert from 'node:assert/strict';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import { failureConverter } from './failure-converter.ts';
import { payloadConverter } from './payload-converter.ts';

describe('what enters a history', () => {
  it('is refused for good when it is large or holds an address', () => {
    assert.throws(() => payloadConverter.toPayload('x'.repeat(3_000)), {
      type: 'payload_too_large',
      nonRetryable: true,
    });
    assert.throws(() => payloadConverter.toPayload({ to: 'ada@example.test' }), {
      type: 'payload_not_ids',
      nonRetryable: true,
    });
    const payload = payloadConverter.toPayload({ messageId: 'msg_1' });
    assert.deepEqual(payloadConverter.fromPayload(payload), { messageId: 'msg_1' });
  });

  it('of an error is its code: its words and stack stay in the logs', () => {
    const cause = new Error('550 no such user ada@example.test');
    const ours = ApplicationFailure.create({ message: 'unavailable', type: 'unavailable', cause });
    const failure = failureConverter.errorToFailure(ours, defaultPayloadConverter);
    assert.equal(failure.message, 'unavailable');
    const foreign = failureConverter.errorToFailure(cause, defaultPayloadConverter);
    assert.equal(foreign.message, 'Error');
    assert.doesNotMatch(JSON.stringify([failure, foreign]), /ada|550|stack.*\.ts/);
  });
});
