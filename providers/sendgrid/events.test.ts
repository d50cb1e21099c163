import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { ProviderEvent } from '../provider.ts';
import { parseEvents } from './events.ts';

const folder = new URL('./fixtures/', import.meta.url);
const common = {
  email: 'ada@example.test',
  at: new Date(1763970000_000),
  callId: 'call_01jd3v8q0e4x2m6n7p8r9s0t1v',
  providerMessageId: '14c5d75ce93dfd64b469',
};

/** What each fixture must become, besides the common fields. */
const expected: Record<string, Partial<ProviderEvent>> = {
  processed: { type: 'queued' },
  deferred: {
    type: 'deferred',
    description: '450 4.2.1 The user you are trying to contact is receiving mail too quickly',
  },
  delivered: {
    type: 'delivered',
    description: '250 2.0.0 OK 1763970000 x1-20020a05',
    ip: '192.0.2.10',
  },
  bounce: { type: 'bounced', bounceKind: 'hard', reason: 'invalid' },
  blocked: { type: 'bounced', bounceKind: 'soft', reason: 'blocked' },
  dropped: { type: 'rejected', reason: 'bounced', description: 'Bounced Address' },
  open: { type: 'opened', machine: false, ip: '192.0.2.20' },
  'machine-open': { type: 'opened', machine: true, userAgent: 'Mozilla/5.0' },
  click: { type: 'clicked', url: 'https://acme.test/orders/42?from=mail' },
  spamreport: { type: 'complained' },
  unsubscribe: { type: 'unsubscribed' },
  'group-unsubscribe': { type: 'unsubscribed' },
  'group-resubscribe': { type: 'subscribed' },
  'dropped-without-message-id': {
    type: 'rejected',
    reason: 'unsubscribed',
    providerMessageId: '14c5d75ce93.dfd.64b469',
  },
  'asynchronous-bounce': {
    type: 'bounced',
    bounceKind: 'hard',
    reason: 'bounced',
    callId: undefined,
    providerMessageId: undefined,
  },
  'account-status-change': {
    type: 'other',
    email: undefined,
    callId: undefined,
    providerMessageId: undefined,
  },
};

describe('SendGrid events', () => {
  it('has an expectation for every fixture', () => {
    const names = readdirSync(folder).map((file) => file.replace('.json', ''));
    assert.deepEqual(names.sort(), Object.keys(expected).sort());
  });

  for (const [name, special] of Object.entries(expected)) {
    it(`reads ${name}`, () => {
      const body = readFileSync(new URL(`${name}.json`, folder));
      const [event, ...others] = parseEvents(body);
      assert.equal(others.length, 0);
      const [raw] = JSON.parse(body.toString());
      assert.deepEqual(event!.raw, raw);
      assert.equal(event!.dedupeKey, raw.sg_event_id);
      const want: Record<string, unknown> = { ...common, ...special };
      const seen = Object.fromEntries(
        Object.keys(want).map((key) => [key, event![key as keyof ProviderEvent]]),
      );
      assert.deepEqual(seen, want);
      if (!('machine' in want)) assert.equal(event!.machine, undefined);
      if (!('bounceKind' in want)) assert.equal(event!.bounceKind, undefined);
    });
  }

  const drops: [string, string][] = [
    ['Invalid', 'invalid'],
    ['Bounced Address', 'bounced'],
    ['Unsubscribed Address', 'unsubscribed'],
    ['Spam Reporting Address', 'spam'],
    ['Spam Content (if spam checker app enabled)', 'spam'],
    ['Invalid SMTPAPI header', 'other'],
    ['Recipient List over Package Quota', 'other'],
    ['something new', 'other'],
  ];
  for (const [words, reason] of drops) {
    it(`takes "${words}" for ${reason}, whichever field has it`, () => {
      for (const field of ['reason', 'type']) {
        const event = parseOne({ event: 'dropped', [field]: words });
        assert.deepEqual([event.reason, event.description], [reason, words]);
      }
    });
  }

  const messageIds: [string | undefined, string | undefined, string | undefined][] = [
    ['abc.filter0001p1.12345.5A1B2C3D4.0', undefined, 'abc'],
    ['14c5d75ce93.dfd.64b469.filter0001.1.2.0', undefined, '14c5d75ce93.dfd.64b469'],
    ['abc.recvd-5d8c9f7b4-x2x9z-1-5F2A.0', undefined, 'abc'],
    ['abc', undefined, 'abc'],
    ['filter0001.16648.5515E0B88.0', '<def@geopod>', 'def'],
    ['filter0001.16648.5515E0B88.0', undefined, undefined],
    [undefined, '<def.1.2@geopod>', 'def.1.2'],
    [undefined, undefined, undefined],
  ];
  for (const [sgMessageId, smtpId, id] of messageIds) {
    it(`takes ${id ?? 'nothing'} for the message id in ${sgMessageId} and ${smtpId}`, () => {
      const event = parseOne({ sg_message_id: sgMessageId, 'smtp-id': smtpId });
      assert.equal(event.providerMessageId, id);
    });
  }

  it('does not call a bounce hard that does not say so', () => {
    for (const type of [undefined, 'new', 7])
      assert.equal(parseOne({ event: 'bounce', type }).bounceKind, 'soft');
  });

  const times: [unknown, string][] = [
    [1763970000, '2025-11-24T07:40:00.000Z'],
    ['1763970000', '2025-11-24T07:40:00.000Z'],
    ...[1e300, -1, 1763970000_000, null, 'soon', '', {}, [1], true, undefined].map(
      (value): [unknown, string] => [value, '1970-01-01T00:00:00.000Z'],
    ),
  ];
  for (const [timestamp, at] of times) {
    it(`reads the time ${JSON.stringify(timestamp)} as ${at}`, () => {
      assert.equal(parseOne({ event: 'open', timestamp }).at.toISOString(), at);
    });
  }

  it('knows an event without an id by what it says', () => {
    const click = { event: 'click', email: 'a@b.test', timestamp: 1, url: 'https://x.test' };
    const key = parseOne(click).dedupeKey;
    assert.equal(parseOne({ ...click, useragent: 'other' }).dedupeKey, key);
    const others = [
      { ...click, event: 'open' },
      { ...click, email: 'c@b.test' },
      { ...click, timestamp: 2 },
      { ...click, url: 'https://y.test' },
      { ...click, sg_message_id: 'abc' },
      { ...click, ep_call: 'call_1' },
    ].map((event) => parseOne(event).dedupeKey);
    assert.equal(new Set([key, ...others]).size, 7);
    assert.notEqual(parseOne({ color: 'red' }).dedupeKey, parseOne({ color: 'blue' }).dedupeKey);
    for (const id of ['', 7, null, 'x'.repeat(5000)])
      assert.ok(parseOne({ ...click, sg_event_id: id }).dedupeKey.length <= 100);
  });

  it('keeps what it does not know as other, with the raw payload', () => {
    for (const event of ['postponed', 'constructor', '__proto__', 7, null, ['open']]) {
      const parsed = parseOne({ event, email: 'a@b.test' });
      assert.equal(parsed.type, 'other');
      assert.deepEqual(parsed.raw, { event, email: 'a@b.test' });
    }
  });

  it('makes an event of any JSON, with texts that PostgreSQL can hold', () => {
    const random = seededRandom(20261124);
    for (let run = 0; run < 3000; run += 1) {
      const posted = randomJson(random, 3);
      const events = parseEvents(Buffer.from(JSON.stringify(posted)));
      assert.equal(events.length, Array.isArray(posted) ? posted.length : 1);
      for (const event of events) {
        assert.ok(!Number.isNaN(event.at.getTime()));
        assert.ok(event.dedupeKey.length > 0 && event.dedupeKey.length <= 200);
        const { raw, ...fields } = event;
        for (const text of Object.values(fields).filter((value) => typeof value === 'string'))
          assert.ok(!text.includes('\0') && text.isWellFormed() && text.length <= 2000);
        assert.ok(raw !== undefined);
      }
    }
  });

  it('throws only when the body is no JSON', () => {
    assert.throws(() => parseEvents(Buffer.from('<html>')), SyntaxError);
    assert.throws(() => parseEvents(Buffer.from('')), SyntaxError);
    assert.deepEqual(parseEvents(Buffer.from('[]\r\n')), []);
  });
});

function parseOne(event: object): ProviderEvent {
  return parseEvents(Buffer.from(JSON.stringify([event])))[0]!;
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const KEYS = [
  'event',
  'type',
  'email',
  'timestamp',
  'sg_event_id',
  'sg_message_id',
  'smtp-id',
  'reason',
  'url',
  'sg_machine_open',
  'ep_call',
  'category',
  '__proto__',
];
const LEAVES = [
  'open',
  'bounce',
  'dropped',
  'click',
  'blocked',
  '',
  'a\0b',
  '\ud800',
  'filter',
  '.filter',
  '<@>',
  'x'.repeat(3000),
  0,
  -1,
  1e308,
  1763970000,
  true,
  false,
  null,
];

function randomJson(random: () => number, depth: number): unknown {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const kind = depth === 0 ? 2 : Math.floor(random() * 3);
  const size = Math.floor(random() * 6);
  if (kind === 0) return Array.from({ length: size }, () => randomJson(random, depth - 1));
  if (kind === 1)
    return Object.fromEntries(
      Array.from({ length: size }, () => [pick(KEYS), randomJson(random, depth - 1)]),
    );
  return pick(LEAVES);
}
