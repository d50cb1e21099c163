import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../domain/outcome.ts';
import { query } from '../../runtime/database.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aTenant } from '../../test/support/tenant.ts';
import { aStoredMessage, claim, conclude, look } from '../../test/support/sent-message.ts';
import { getBalance } from '../balance.ts';
import type { Platform } from '../platform.ts';

const accepted: Outcome = { kind: 'accepted' };
const unknown: Outcome = { kind: 'unknown', class: 'ambiguous' };
const refused: Outcome = { kind: 'refused', class: 'transient' };
const refusedForGood: Outcome = { kind: 'refused', class: 'message' };

describe('recordOutcome', () => {
  let platform: Platform;
  before(async () => void (platform = await aPlatform()));
  after(() => platform.close());

  const rows: {
    name: string;
    outcomes: Outcome[];
    status: string;
    recipient: string;
    call: string;
  }[] = [
    { name: 'accepted', outcomes: [accepted], status: 'sent', recipient: 'sent', call: 'accepted' },
    {
      name: 'refused for now: held for the next attempt',
      outcomes: [refused],
      status: 'held',
      recipient: 'pending',
      call: 'refused',
    },
    {
      name: 'refused for good',
      outcomes: [refusedForGood],
      status: 'failed',
      recipient: 'failed',
      call: 'refused',
    },
    {
      name: 'unknown',
      outcomes: [unknown],
      status: 'reconciling',
      recipient: 'unknown',
      call: 'unknown',
    },
    {
      name: 'twice the same',
      outcomes: [accepted, accepted],
      status: 'sent',
      recipient: 'sent',
      call: 'accepted',
    },
    {
      name: 'a late acceptance counts',
      outcomes: [unknown, accepted],
      status: 'sent',
      recipient: 'sent',
      call: 'accepted',
    },
    {
      name: 'a late refusal counts',
      outcomes: [unknown, refusedForGood],
      status: 'failed',
      recipient: 'failed',
      call: 'refused',
    },
    {
      name: 'an early guess does not undo an answer',
      outcomes: [accepted, unknown],
      status: 'sent',
      recipient: 'sent',
      call: 'accepted',
    },
    {
      name: 'nor a refusal',
      outcomes: [refusedForGood, unknown],
      status: 'failed',
      recipient: 'failed',
      call: 'refused',
    },
    {
      name: 'nor a refusal an acceptance',
      outcomes: [accepted, refused],
      status: 'sent',
      recipient: 'sent',
      call: 'accepted',
    },
  ];
  for (const row of rows)
    it(row.name, async () => {
      const ctx = await aTenant(platform);
      const message = await aStoredMessage(ctx);
      const claimed = await claim(message);
      for (const outcome of row.outcomes) await conclude(message, claimed, outcome);
      const { status, recipients, calls } = await look(message);
      assert.deepEqual(
        [status, recipients[0]?.status, calls[0]?.state],
        [row.status, row.recipient, row.call],
      );
      assert.equal(recipients[0]?.isOpen, false);
      assert.equal((await getBalance(ctx, {})).unexplained, 0);
    });

  it('keeps each recipient’s own outcome, and tries again only those that can be helped', async () => {
    const ctx = await aTenant(platform);
    const message = await aStoredMessage(ctx, {
      to: ['a', 'b', 'c'].map((name) => ({ email: `${name}@x.test` })),
    });
    const first = await claim(message);
    const outcomes = [accepted, refusedForGood, refused];
    const { recordOutcome } = await import('./record-outcome.ts');
    await recordOutcome(platform, ctx.tenant, {
      callId: first.callId,
      messageId: message.messageId,
      at: Date.now(),
      spread: 0.5,
      recipients: first.claimed.map(({ id }, index) => ({ id, outcome: outcomes[index]! })),
    });
    const between = await look(message);
    assert.deepEqual(
      between.recipients.map(({ status }) => status),
      ['sent', 'failed', 'pending'],
    );
    assert.equal(between.status, 'held');
    const second = await claim(message, { attempt: 2 });
    assert.equal(second.claimed.length, 1);
    await conclude(message, second, accepted);
    const { status, recipients } = await look(message);
    assert.equal(status, 'sent');
    assert.deepEqual(
      recipients.map((recipient) => [recipient.status, recipient.attempt]),
      [
        ['sent', 1],
        ['failed', 1],
        ['sent', 2],
      ],
    );
    const [earlier] = await ctx.read((em) =>
      query<{ n: number; state: string }>(
        em,
        'SELECT n, state FROM attempts WHERE tenant_id = $1',
        [ctx.tenant.id],
      ),
    );
    assert.deepEqual(earlier, { n: 1, state: 'refused' });
  });

  it('does not take the late refusal of a first request for the answer to its repeat', async () => {
    const ctx = await aTenant(platform);
    const message = await aStoredMessage(ctx);
    const first = await claim(message, { answerWithinMs: 1 });
    await conclude(message, first, unknown);
    await sleep(10);
    const repeat = await claim(message, { step: 'repeat', callId: first.callId });
    assert.equal(repeat.claimed.length, 1);
    await conclude(message, first, { kind: 'refused', class: 'not_called' });
    const between = await look(message);
    assert.deepEqual([between.status, between.calls[0]?.state], ['reconciling', 'unknown']);
    assert.equal(between.recipients[0]?.isOpen, true, 'the repeat is still under way');
    await conclude(message, repeat, accepted);
    assert.equal((await look(message)).status, 'sent');
  });
});
