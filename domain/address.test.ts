import assert from 'node:assert/strict';
import { addressKey, addressProblem, domainOf, parseAddress } from './address.ts';

describe('addresses', () => {
  const good = [
    'a@b.test',
    "o'brien+tag@mail.example.com",
    'x_1@xn--bcher-kva.example',
    '-a@b.test'.slice(1),
  ];
  for (const email of good)
    it(`takes ${email}`, () => assert.equal(addressProblem(email), undefined));

  const bad = [
    'plain',
    '@b.test',
    'a@',
    'a@b',
    'a b@c.test',
    'a..b@c.test',
    '.a@b.test',
    'a.@b.test',
    'a@-b.test',
    'a@b.1',
    '-oQ/tmp@b.test',
    'a@b.test\r\nBcc: c@d.test',
    'a\u0000@b.test',
    'a\u2028@b.test',
    'ä@b.test',
    'a@bücher.test',
    `${'a'.repeat(65)}@b.test`,
    `a@${'b.'.repeat(130)}test`,
  ];
  for (const email of bad)
    it(`refuses ${JSON.stringify(email).slice(0, 50)}`, () => assert.ok(addressProblem(email)));

  it('reads a name before the address', () => {
    assert.deepEqual(parseAddress('Acme <hello@acme.test>'), {
      email: 'hello@acme.test',
      name: 'Acme',
    });
    assert.deepEqual(parseAddress('"Acme, \\"Inc\\"" <a@b.test>'), {
      email: 'a@b.test',
      name: 'Acme, "Inc"',
    });
    assert.deepEqual(parseAddress(' a@b.test '), { email: 'a@b.test' });
    assert.equal(parseAddress('a@b.test, c@d.test'), undefined);
  });

  it('are the same whatever their case', () => {
    assert.equal(addressKey('Ada@Example.Test'), 'ada@example.test');
    assert.equal(domainOf('Ada@Example.Test'), 'example.test');
  });
});
