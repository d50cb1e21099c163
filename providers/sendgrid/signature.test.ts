import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { WebhookRequest } from '../provider.ts';
import { verifySignature } from './signature.ts';

const SIGNATURE = 'x-twilio-email-event-webhook-signature';
const TIMESTAMP = 'x-twilio-email-event-webhook-timestamp';
const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
// Invalid UTF-8 and a CRLF at the end: the bytes count, not what they mean.
const body = Buffer.concat([
  Buffer.from('[{"event":"open"}'),
  Buffer.from([0xff]),
  Buffer.from(']\r\n'),
]);

function toSigningKey(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}
const signingKey = toSigningKey(ours.publicKey);

function aRequest(key = ours.privateKey, over = body, timestamp = '1763970000'): WebhookRequest {
  const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), over]), key);
  return {
    body,
    headers: { [SIGNATURE]: signature.toString('base64'), [TIMESTAMP]: timestamp },
  };
}

describe('SendGrid signature', () => {
  it('takes what was signed with our key, however the headers are written', () => {
    const { headers } = aRequest();
    assert.equal(verifySignature({ body, headers }, { signingKey }), true);
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    assert.equal(verifySignature({ body, headers: upper }, { signingKey }), true);
  });

  const { headers } = aRequest();
  const signature = String(headers[SIGNATURE]);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bigger = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed = generateKeyPairSync('ed25519');
  const forgeries: [string, WebhookRequest, string?][] = [
    ['no headers', { body, headers: {} }],
    ['no signature', { body, headers: { ...headers, [SIGNATURE]: undefined } }],
    ['no timestamp', { body, headers: { ...headers, [TIMESTAMP]: undefined } }],
    ['an empty signature', { body, headers: { ...headers, [SIGNATURE]: '' } }],
    ['a short signature', { body, headers: { ...headers, [SIGNATURE]: signature.slice(0, 20) } }],
    ['zeros', { body, headers: { ...headers, [SIGNATURE]: Buffer.alloc(72).toString('base64') } }],
    ['r = s = 0', { body, headers: { ...headers, [SIGNATURE]: 'MAYCAQACAQA=' } }],
    ['words', { body, headers: { ...headers, [SIGNATURE]: 'let me in!' } }],
    ['two signatures', { body, headers: { ...headers, [SIGNATURE]: [signature, signature] } }],
    ['two spellings', { body, headers: { ...headers, [SIGNATURE.toUpperCase()]: signature } }],
    ['another time', { body, headers: { ...headers, [TIMESTAMP]: '1763970001' } }],
    ['another body', { body: Buffer.from('[]'), headers }],
    ['the body without its last bytes', { body: body.subarray(0, -2), headers }],
    ['another key', aRequest(other.privateKey)],
    ['no key', aRequest(), ''],
    ['half a key', aRequest(), signingKey.slice(0, 40)],
    ['a key that is none', aRequest(), 'AAAA'],
    [
      'a right signature by a P-384 key',
      aRequest(bigger.privateKey),
      toSigningKey(bigger.publicKey),
    ],
    ['a right signature by an RSA key', aRequest(rsa.privateKey), toSigningKey(rsa.publicKey)],
    ['an Ed25519 key', aRequest(), toSigningKey(ed.publicKey)],
  ];
  for (const [name, request, key = signingKey] of forgeries) {
    it(`refuses ${name}`, () => {
      assert.equal(verifySignature(request, { signingKey: key }), false);
    });
  }
});
