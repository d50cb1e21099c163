import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Gate } from './gate.ts';

const never = new AbortController().signal;

describe('clickhouse gate', () => {
  it('never runs more than its number, and everybody gets a turn in order', async () => {
    const gate = new Gate({ running: 2, waiting: 10, waitMs: 1_000 });
    let running = 0;
    const order: number[] = [];
    const work = async (index: number) => {
      running += 1;
      assert.ok(running <= 2);
      order.push(index);
      await sleep(5);
      running -= 1;
    };
    await Promise.all([0, 1, 2, 3, 4, 5].map((index) => gate.run(() => work(index), never)));
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  });

  it('refuses who comes when too many wait, and who has waited too long', async () => {
    const gate = new Gate({ running: 1, waiting: 1, waitMs: 20 });
    const long = gate.run(() => sleep(60, 'done'), never);
    const waits = gate.run(() => Promise.resolve(), never);
    const late = gate.run(() => Promise.resolve(), never);
    await assert.rejects(late, {
      type: 'TOO_MANY_SIMULTANEOUS_QUERIES',
      message: /1 wait already/,
    });
    await assert.rejects(waits, { type: 'TOO_MANY_SIMULTANEOUS_QUERIES', message: /within 20 ms/ });
    assert.equal(await long, 'done');
    assert.equal(await gate.run(() => Promise.resolve('free again'), never), 'free again');
  });

  it('forgets who gave up waiting', async () => {
    const gate = new Gate({ running: 1, waiting: 1, waitMs: 1_000 });
    const long = gate.run(() => sleep(20), never);
    const client = new AbortController();
    let hasRun = false;
    const waits = gate.run(() => Promise.resolve((hasRun = true)), client.signal);
    client.abort();
    await assert.rejects(waits, { type: 'ABORTED' });
    await long;
    await gate.run(() => Promise.resolve(), never);
    assert.equal(hasRun, false);
  });
});
