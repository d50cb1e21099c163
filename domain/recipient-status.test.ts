import assert from 'node:assert/strict';
import { factKinds, statusOfFacts, type AttemptFacts, type FactKind } from './recipient-status.ts';

const at = new Date('2026-01-01T00:00:00Z');
const facts = (outcome: AttemptFacts['outcome'], ...kinds: FactKind[]): AttemptFacts => ({
  outcome,
  firstAt: Object.fromEntries(kinds.map((kind) => [kind, at])),
});

describe('statusOfFacts', () => {
  const rows: [AttemptFacts, string][] = [
    [facts('none'), 'pending'],
    [facts('claimed'), 'pending'],
    [facts('refused'), 'pending'],
    [facts('unknown'), 'unknown'],
    [facts('accepted'), 'sent'],
    [facts('accepted', 'deferred'), 'deferred'],
    [facts('accepted', 'deferred', 'delivered'), 'delivered'],
    [facts('accepted', 'rejected'), 'rejected'],
    [facts('accepted', 'bounced'), 'bounced'],
    [facts('accepted', 'delivered', 'bounced'), 'bounced'],
    [facts('accepted', 'opened'), 'delivered'],
    [facts('accepted', 'clicked'), 'delivered'],
    [facts('accepted', 'complained'), 'delivered'],
    [facts('unknown', 'delivered'), 'delivered'],
    [facts('refused', 'delivered'), 'delivered'],
  ];
  for (const [given, status] of rows)
    it(`is ${status} for ${given.outcome} with ${Object.keys(given.firstAt).join(', ') || 'no event'}`, () =>
      assert.equal(statusOfFacts(given), status));

  it('takes no fact back: a further one never returns the recipient to pending', () => {
    for (let set = 1; set < 2 ** factKinds.length; set += 1) {
      const kinds = factKinds.filter((kind, bit) => kind !== 'sent' && set & (1 << bit));
      if (kinds.length === 0) continue;
      assert.notEqual(
        statusOfFacts(facts('claimed', ...kinds.filter((kind) => kind !== 'sent'))),
        'pending',
      );
    }
  });
});
