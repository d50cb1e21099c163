import assert from 'node:assert/strict';
import {
  check,
  formatVerdict,
  type Evidence,
  type RecordedMessage,
  type TakenMail,
} from './check.ts';

/** One request, acknowledged, recorded as sent and taken once; a test changes what it is about. */
function aMail(n: number, overrides: Partial<RecordedMessage> = {}): Evidence {
  const [id, key, email, callId] = [`msg_${n}`, `key-${n}`, `r${n}@example.test`, `call_${n}`];
  const message: RecordedMessage = {
    id,
    requestKey: key,
    status: 'sent',
    recipients: [{ email, status: 'delivered' }],
    storedStatuses: ['delivered'],
    calls: [{ id: callId, state: 'accepted' }],
    ...overrides,
  };
  return {
    requests: [{ key, recipients: [email], acknowledgedIds: [id] }],
    messages: [message],
    taken: [{ messageId: id, callId, recipient: email }],
    balanceUnexplained: 0,
  };
}

/** A mail that ended as `status`, by default at no provider. */
function ended(
  n: number,
  status: string,
  given: { call?: string; messageStatus?: string; taken?: TakenMail[] } = {},
): Evidence {
  const mail = aMail(n, {
    status: given.messageStatus ?? status,
    recipients: [{ email: `r${n}@example.test`, status }],
    storedStatuses: [status],
    calls: given.call === undefined ? [] : [{ id: `call_${n}`, state: given.call }],
  });
  return { ...mail, taken: given.taken ?? [] };
}

function together(...parts: Evidence[]): Evidence {
  return {
    requests: parts.flatMap(({ requests }) => requests),
    messages: parts.flatMap(({ messages }) => messages),
    taken: parts.flatMap(({ taken }) => taken),
    balanceUnexplained: 0,
  };
}

const line = (evidence: Evidence) => formatVerdict(check(evidence));

describe('the oracle', () => {
  it('counts every end once, and finds nothing wrong with an honest run', () => {
    const evidence = together(
      aMail(1),
      ended(2, 'failed', { call: 'refused' }),
      ended(3, 'suppressed'),
      ended(4, 'cancelled'),
      ended(5, 'unknown', { call: 'unknown' }),
      // Unknown is honest also where the provider did take it.
      { ...aMail(6), messages: ended(6, 'unknown', { call: 'unknown' }).messages },
    );
    const verdict = check(evidence);
    assert.equal(
      formatVerdict(verdict),
      'accepted 6  sent 1  failed 1  suppressed 1  cancelled 1  unknown 2  lost 0  doubled 0  unexplained 0',
    );
    assert.deepEqual(verdict.findings, []);
  });

  it('counts recipients, not messages', () => {
    const mail = aMail(1);
    const second = 'second@example.test';
    mail.requests[0]?.recipients.push(second);
    mail.messages[0]?.recipients.push({ email: second, status: 'bounced' });
    mail.messages[0]?.storedStatuses.push('bounced');
    mail.taken.push({ messageId: 'msg_1', callId: 'call_1', recipient: 'Second@example.test' });
    assert.match(line(mail), /^accepted 2 {2}sent 2 .* lost 0 {2}doubled 0 {2}unexplained 0$/);
  });

  it('takes a stored message whose client got no answer for honest', () => {
    const mail = aMail(1);
    const unanswered = { ...mail, requests: [{ ...mail.requests[0]!, acknowledgedIds: [] }] };
    assert.match(
      line(unanswered),
      /^accepted 0 {2}sent 0 .* lost 0 {2}doubled 0 {2}unexplained 0$/,
    );
  });

  const red: [string, Evidence, RegExp][] = [
    ['an acknowledged message without a record', { ...aMail(1), messages: [], taken: [] }, /lost 1 .* unexplained 1$/],
    ['a message that is called sent and never was', { ...aMail(1), taken: [] }, /lost 1 .* unexplained [1-9]/],
    ['a message that never ends', ended(1, 'pending', { messageStatus: 'sending' }), /lost 1 .* unexplained [1-9]/],
    [
      'a message that is open although a provider took it',
      ended(1, 'pending', { call: 'accepted', messageStatus: 'held', taken: aMail(1).taken }),
      /lost 0 .* unexplained [1-9]/,
    ],
    [
      'a mail that was taken twice',
      { ...aMail(1), taken: [...aMail(1).taken, ...aMail(1).taken] },
      /lost 0 {2}doubled 1 {2}unexplained 0$/,
    ],
    [
      'one key that became two mails',
      together(aMail(1), { ...aMail(2, { requestKey: 'key-1', recipients: [{ email: 'r1@example.test', status: 'sent' }], storedStatuses: ['sent'] }), requests: [], taken: [{ messageId: 'msg_2', callId: 'call_2', recipient: 'r1@example.test' }] }),
      /doubled 1 {2}unexplained 1$/,
    ],
    ['a failed mail that a provider took', ended(1, 'failed', { call: 'refused', taken: aMail(1).taken }), /unexplained 2$/],
    ['a cancelled mail that a provider took', ended(1, 'cancelled', { call: 'unknown', taken: aMail(1).taken }), /unexplained 1$/],
    ['a suppressed mail that a provider took', ended(1, 'suppressed', { call: 'unknown', taken: aMail(1).taken }), /unexplained 1$/],
    ['a mail that nobody asked for', { ...aMail(1), requests: [], messages: [] }, /^accepted 0 .* unexplained [1-9]/],
    ['a message that nobody asked for', { ...aMail(1), requests: [] }, /unexplained 1$/],
    ['a call without a claim', aMail(1, { calls: [] }), /unexplained 1$/],
    ['a call without an outcome', { ...aMail(1, { calls: [{ id: 'call_1', state: 'accepted' }, { id: 'call_9', state: 'claimed' }] }) }, /unexplained 1$/],
    ['an API that says something else than the tables', aMail(1, { storedStatuses: ['failed'] }), /unexplained 1$/],
    ['a message that says something else than its recipients', aMail(1, { status: 'failed' }), /unexplained 1$/],
    ['books that do not balance', { ...aMail(1), balanceUnexplained: 3 }, /unexplained 3$/],
  ]; // prettier-ignore
  for (const [name, evidence, expected] of red)
    it(`is red at ${name}`, () => {
      const verdict = check(evidence);
      assert.match(formatVerdict(verdict), expected);
      assert.ok(verdict.findings.length > 0, 'and says why');
    });
});
