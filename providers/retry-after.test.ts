import assert from 'node:assert/strict';
import { retryAfterMs } from './retry-after.ts';

const now = Date.parse('2026-11-24T10:00:00Z');

describe('how long a provider asks us to wait', () => {
  const rows: [string, Record<string, unknown>, number | undefined][] = [
    ['seconds', { 'retry-after': '120' }, 120_000],
    ['a date', { 'retry-after': 'Tue, 24 Nov 2026 10:02:00 GMT' }, 120_000],
    ['a date in the past', { 'retry-after': 'Tue, 24 Nov 2026 09:00:00 GMT' }, 0],
    ['ten years of seconds', { 'retry-after': '315360000' }, 3_600_000],
    ['ten years by date', { 'retry-after': 'Tue, 24 Nov 2036 10:00:00 GMT' }, 3_600_000],
    ['more digits than a number holds', { 'retry-after': '9'.repeat(400) }, 3_600_000],
    ['a reset time', { 'x-ratelimit-reset': String(now / 1000 + 30) }, 30_000],
    ['a reset time in the past', { 'x-ratelimit-reset': String(now / 1000 - 30) }, 0],
    ['both', { 'retry-after': '5', 'x-ratelimit-reset': String(now / 1000 + 30) }, 5000],
    [
      'words, and a reset time',
      { 'retry-after': 'later', 'x-ratelimit-reset': String(now / 1000 + 9) },
      9000,
    ],
    ['nothing', {}, undefined],
    ['words', { 'retry-after': 'in a while' }, undefined],
    ['a negative number', { 'retry-after': '-1' }, undefined],
    ['a fraction', { 'retry-after': '1.5' }, undefined],
    ['an empty text', { 'retry-after': '', 'x-ratelimit-reset': '' }, undefined],
    ['a list', { 'retry-after': ['1', '2'] }, undefined],
  ];
  for (const [name, headers, wait] of rows) {
    it(`reads ${name}`, () => {
      assert.equal(retryAfterMs(headers, now), wait);
    });
  }
});
