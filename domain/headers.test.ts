import assert from 'node:assert/strict';
import { headerProblem } from './headers.ts';

describe('headers', () => {
  const refused: [string, string][] = [
    ['Subject', 'x'],
    ['bcc', 'x'],
    ['DKIM-Signature', 'x'],
    ['List-Unsubscribe', 'x'],
    ['X-EP-Message', 'x'],
    ['X-Test', 'a\r\nBcc: b'],
    ['X-Test', 'a\nb'],
    ['X-Test', 'a\u2028b'],
    ['X Test', 'x'],
    ['X:Test', 'x'],
    ['', 'x'],
    ['X-Test', 'x'.repeat(996)],
  ];
  for (const [name, value] of refused)
    it(`refuses ${JSON.stringify(`${name}: ${value}`).slice(0, 40)}`, () =>
      assert.ok(headerProblem(name, value)));
  for (const name of ['In-Reply-To', 'References', 'X-Order'])
    it(`takes ${name}`, () => assert.equal(headerProblem(name, '<1@acme.test>'), undefined));
});
