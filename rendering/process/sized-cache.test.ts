import assert from 'node:assert/strict';
import { SizedCache } from './sized-cache.ts';

describe('sized cache', () => {
  it('forgets what was not used for longest when all are too large', () => {
    const cache = new SizedCache<string>(10);
    for (const key of ['a', 'b', 'c']) cache.set(key, key.toUpperCase(), 3);
    assert.equal(cache.get('a'), 'A');
    cache.set('d', 'D', 3);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => cache.get(key)),
      ['A', undefined, 'C', 'D'],
    );
  });

  it('counts a replaced value once, and keeps nothing that is too large alone', () => {
    const cache = new SizedCache<number>(10);
    for (const value of [1, 2, 3]) cache.set('a', value, 4);
    cache.set('b', 0, 4);
    assert.equal(cache.get('a'), 3);
    cache.set('huge', 0, 11);
    assert.equal(cache.get('huge'), undefined);
  });
});
