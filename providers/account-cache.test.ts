import assert from 'node:assert/strict';
import { AccountCache } from './account-cache.ts';

function anAccount(id: string, key = 'k') {
  return { id, mode: 'live' as const, credentials: { key }, settings: {} };
}

describe('clients of accounts', () => {
  let made: string[] = [];
  let closed: string[] = [];
  let cache: AccountCache<string, { key: string }>;
  beforeEach(() => {
    made = [];
    closed = [];
    cache = new AccountCache<string, { key: string }>({
      max: 2,
      create: ({ id, credentials }) => {
        made.push(`${id}/${credentials.key}`);
        return `${id}/${credentials.key}`;
      },
      close: (client) => closed.push(client),
    });
  });

  it('are made once, and again when the credentials change', () => {
    assert.equal(cache.get(anAccount('a')), cache.get(anAccount('a')));
    assert.equal(cache.get(anAccount('a', 'new')), 'a/new');
    assert.deepEqual([made, closed], [['a/k', 'a/new'], ['a/k']]);
  });

  it('are not more than the bound: the one used longest ago goes', () => {
    for (const id of ['a', 'b', 'a', 'c']) cache.get(anAccount(id));
    assert.deepEqual(closed, ['b/k']);
    cache.get(anAccount('a'));
    assert.deepEqual(made, ['a/k', 'b/k', 'c/k']);
    cache.closeAll();
    assert.deepEqual(closed, ['b/k', 'c/k', 'a/k']);
  });
});
