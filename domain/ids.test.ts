import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { findUuid, toPublicId, toUuid } from './ids.ts';

describe('ids', () => {
  it('turn into a prefixed text and back, in the same order', () => {
    const uuids = Array.from({ length: 200 }, () => randomUUID()).sort();
    const ids = uuids.map((uuid) => toPublicId('message', uuid));
    assert.deepEqual(
      ids.map((id) => toUuid('message', id)),
      uuids,
    );
    assert.deepEqual([...ids].sort(), ids);
    assert.match(ids[0] ?? '', /^msg_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  it('of another kind, shape or alphabet are none', () => {
    const id = toPublicId('message', randomUUID());
    for (const text of [
      '',
      'msg_',
      id.toUpperCase(),
      `${id}0`,
      id.replace('msg', 'evt'),
      `msg_${'z'.repeat(26)}`,
      `msg_${'u'.repeat(26)}`,
    ])
      assert.equal(findUuid('message', text), undefined, text);
    assert.throws(() => toUuid('message', 'nonsense'), { code: 'not_found' });
  });
});
