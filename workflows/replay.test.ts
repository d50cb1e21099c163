import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { createLog } from '../runtime/log.ts';
import { MAX_PAYLOAD_BYTES } from '../runtime/temporal/payload-converter.ts';
import { dataConverter } from '../runtime/temporal/connect.ts';
import { recordedRuns } from '../test/histories/runs.ts';
import { bundleWorkflows } from '../worker/temporal-worker.ts';
import { describeSend } from './describe-send.ts';
import { sendMessageSummary } from './contracts.ts';

const folder = new URL('../test/histories/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));

describe('recorded runs', () => {
  it('exist for every way in which a run can go', () => {
    assert.deepEqual(files, recordedRuns.map(({ name }) => `${name}.json`).sort());
  });

  it('replay on today’s workflows', async function () {
    this.timeout(60_000);
    const histories = files.map((name) => ({
      workflowId: name,
      history: historyFromJSON(read(name)),
    }));
    const workflowBundle = await bundleWorkflows(createLog('replay', 'silent'));
    const failures: string[] = [];
    for await (const result of Worker.runReplayHistories(
      { workflowBundle, dataConverter },
      histories,
    ))
      if (result.error) failures.push(`${result.workflowId}: ${result.error.message}`);
    assert.deepEqual(failures, []);
  });

  for (const { name, result } of recordedRuns)
    it(`${name} ends as ${result.status}`, () => {
      const payloads = payloadsOf(read(`${name}.json`));
      assert.ok(
        payloads.some(
          (payload) => JSON.stringify(sorted(payload.value)) === JSON.stringify(sorted(result)),
        ),
        JSON.stringify(payloads.at(-1)),
      );
    });

  it('hold ids and codes only: no address, no content, nothing large, no words of a provider', () => {
    for (const name of files)
      for (const { text } of payloadsOf(read(name))) {
        assert.ok(Buffer.byteLength(text) <= MAX_PAYLOAD_BYTES, name);
        assert.doesNotMatch(text, /@|example\.test|acme|Hello|"words"/i, `${name}: ${text}`);
      }
  });
});

describe('what the Web UI shows of a run', () => {
  it('is its stream and template in the list', () => {
    assert.equal(
      sendMessageSummary({ stream: 'transactional', templateKey: 'welcome' }),
      'transactional message from template welcome',
    );
    assert.equal(sendMessageSummary({ stream: 'marketing' }), 'marketing message');
  });

  const view = { attempt: 2, provider: 'sendgrid', waitsFor: 1 };
  const rows: [Parameters<typeof describeSend>[0], string][] = [
    [{ ...view, phase: 'sending' }, 'Attempt 2 is running.'],
    [{ ...view, phase: 'held', reason: 'rate' }, 'Held after attempt 2: rate.'],
    [
      { ...view, phase: 'reconciling' },
      'The answer of attempt 2 at sendgrid was lost and is being clarified.',
    ],
    [
      { ...view, phase: 'watching' },
      'Accepted by sendgrid; waiting for the delivery of 1 recipient.',
    ],
    [{ ...view, phase: 'done', status: 'sent' }, 'Done: sent after attempt 2 at sendgrid.'],
  ];
  for (const [given, text] of rows)
    it(`is, while ${given.phase}: ${text}`, () => assert.equal(describeSend(given), text));
});

/** Every payload of a history, however deep, as text and as the value it holds. */
function payloadsOf(node: unknown): { text: string; value: unknown }[] {
  if (Array.isArray(node)) return node.flatMap(payloadsOf);
  if (node === null || typeof node !== 'object') return [];
  const record = node as Record<string, unknown>;
  const own =
    typeof record['data'] === 'string' && record['metadata'] ? [decode(record['data'])] : [];
  return [...own, ...Object.values(record).flatMap(payloadsOf)];
}

function decode(data: string): { text: string; value: unknown } {
  const text = Buffer.from(data, 'base64').toString();
  try {
    return { text, value: JSON.parse(text) as unknown };
  } catch {
    return { text, value: text };
  }
}

function sorted(value: unknown): unknown {
  return value !== null && typeof value === 'object' ? Object.entries(value).sort() : value;
}
