import assert from 'node:assert/strict';
import { anOutgoingMessage } from './example-message.ts';
import type { OutgoingMessage } from './provider.ts';
import { providers } from './index.ts';

const breaks = [
  '\r',
  '\n',
  '\r\nBcc: evil@example.test',
  '\0',
  '\u2028',
  '\u2029',
  '\u0085',
  '\x7f',
];
const attachment = { filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('') };

/** Everywhere a text of the customer's goes into a header. */
const places: [string, (text: string) => Partial<OutgoingMessage>][] = [
  ['subject', (text) => ({ subject: `Hi${text}` })],
  ['from.name', (text) => ({ from: { email: 'a@acme.test', name: `A${text}` } })],
  ['from', (text) => ({ from: { email: `a${text}@acme.test` } })],
  ['replyTo.name', (text) => ({ replyTo: [{ email: 'a@acme.test', name: text }] })],
  ['recipients', (text) => ({ bcc: [{ email: `a@example.test${text}` }] })],
  ['recipients.name', (text) => ({ cc: [{ email: 'a@example.test', name: text }] })],
  ['headers', (text) => ({ headers: { [`X-A${text}`]: '1' } })],
  ['headers.X-A', (text) => ({ headers: { 'X-A': text } })],
  ['tags', (text) => ({ tags: [text] })],
  ['attachments.filename', (text) => ({ attachments: [{ ...attachment, filename: text }] })],
  [
    'attachments.contentType',
    (text) => ({ attachments: [{ ...attachment, contentType: `a/b${text}` }] }),
  ],
  [
    'attachments.contentId',
    (text) => ({ attachments: [{ ...attachment, contentId: `a${text}` }] }),
  ],
];

describe('text that could break out of its place', () => {
  for (const [kind, provider] of Object.entries(providers)) {
    for (const [field, put] of places) {
      it(`is refused by ${kind} in ${field}, which the sentence names`, () => {
        for (const text of breaks) {
          const problem = provider.findUnsupported(anOutgoingMessage(put(text)));
          assert.ok(problem?.startsWith(`${field}:`), `${JSON.stringify(text)}: ${problem}`);
        }
      });
    }

    it(`is refused by ${kind} before anything is written, when nobody asked`, async () => {
      const settings =
        kind === 'smtp' ? { host: '127.0.0.1', port: 9 } : { baseUrl: 'http://127.0.0.1:9' };
      const credentials = kind === 'smtp' ? {} : { apiKey: 'SG.key' };
      const message = anOutgoingMessage({ subject: 'a\r\nBcc: evil@example.test' });
      const result = await provider.send(
        { id: 'acc_1', mode: 'live', credentials, settings },
        message,
        {
          timeoutMs: 1000,
          beforeWrite: () => assert.fail('written'),
        },
      );
      assert.deepEqual(result.recipients[0]?.outcome, { kind: 'refused', class: 'message' });
      assert.match(result.words ?? '', /^subject:/);
    });

    it(`does not trouble ordinary mail at ${kind}`, () => {
      const message = anOutgoingMessage({
        from: { email: 'o’brien+x@acme.test', name: 'Zoë "Z" O’Brien, Ltd. <3' },
        to: [{ email: "o'neil@xn--bcher-kva.example" }, { email: 'jürgen@bücher.example' }],
        subject: '50 % off = yes? =?= 👍🏽 \t tab',
        headers: { 'List-Unsubscribe': '<https://acme.test/u?x=1>', References: '<1@a> <2@b>' },
        attachments: [
          {
            ...attachment,
            filename: 'Angebot für Zoë (1).pdf',
            contentType: 'text/plain; charset=utf-8',
            contentId: 'logo.1@acme',
          },
        ],
        tags: ['größe'],
      });
      assert.equal(provider.findUnsupported(message), undefined);
    });

    it(`includes encoded words, paths and lists at ${kind}`, () => {
      const refused: Partial<OutgoingMessage>[] = [
        { subject: '=?utf-8?q?=0d=0aBcc:_evil@example.test?=' },
        { from: { email: 'a@acme.test', name: '=?UTF-8?B?UGF5UGFs?=' } },
        { to: [{ email: 'a@example.test,evil@example.test' }] },
        { to: [{ email: 'a@example.test> evil@example.test' }] },
        { to: [{ email: 'nobody' }] },
        { to: [{ email: '' }] },
        { headers: { 'X A': '1' } },
        { headers: { 'X-A:': '1' } },
        { headers: { '': '1' } },
        { attachments: [{ ...attachment, filename: '../../etc/passwd' }] },
        { attachments: [{ ...attachment, contentType: 'text' }] },
        { attachments: [{ ...attachment, contentId: 'a> <b' }] },
      ];
      for (const different of refused)
        assert.ok(
          provider.findUnsupported(anOutgoingMessage(different)),
          JSON.stringify(different),
        );
    });
  }
});
