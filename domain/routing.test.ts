import assert from 'node:assert/strict';
import { decideRoute, type RoutableAccount } from './routing.ts';

const account = (id: string, change: Partial<RoutableAccount> = {}): RoutableAccount => ({
  id,
  name: `name-${id}`,
  provider: 'sendgrid',
  mode: 'live',
  enabled: true,
  honoursCallId: false,
  deliveryEvents: 'full',
  ...change,
});

describe('decideRoute', () => {
  const accounts = [
    account('t', { mode: 'test' }),
    account('off', { enabled: false }),
    account('a'),
    account('b'),
  ];

  it('takes the first that nothing excludes and says why not the others', () => {
    const { chosen, candidates } = decideRoute(accounts, 'live', {});
    assert.equal(chosen?.id, 'a');
    assert.deepEqual(
      candidates.map(({ excluded }) => excluded),
      ['wrong_mode', 'disabled', undefined, undefined],
    );
  });

  it('follows a wish by id or name, and never beyond the mode', () => {
    assert.equal(decideRoute(accounts, 'live', { account: 'name-b' }).chosen?.id, 'b');
    assert.equal(decideRoute(accounts, 'live', { exclude: ['a'] }).chosen?.id, 'b');
    assert.equal(decideRoute(accounts, 'live', { account: 't' }).chosen, null);
    assert.equal(decideRoute(accounts, 'test', {}).chosen?.id, 't');
  });

  it('asks what an account refuses only where nothing else excludes it', () => {
    const asked: string[] = [];
    const { chosen, candidates } = decideRoute(accounts, 'live', {}, ({ id }) => {
      asked.push(id);
      return id === 'a' ? { reason: 'cannot_express', detail: 'too many' } : undefined;
    });
    assert.deepEqual(asked, ['a', 'b']);
    assert.equal(chosen?.id, 'b');
    assert.equal(candidates[2]?.detail, 'too many');
  });
});
