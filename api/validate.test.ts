import assert from 'node:assert/strict';
import { z } from 'zod';
import { PlatformError } from '../domain/platform-error.ts';
import { toCsvLine } from './export-list.ts';
import { measureJson } from './json-shape.ts';
import { addressesInput } from './schemas/common.ts';
import { validate } from './validate.ts';

describe('validate', () => {
  const schema = z.strictObject({
    who: addressesInput,
    'a/b': z.strictObject({ 'c~d': z.number() }).optional(),
    keyed: z.record(z.string().regex(/^k/), z.string()).optional(),
  });
  function problems(value: unknown) {
    try {
      validate(schema, value);
      return [];
    } catch (error) {
      assert.ok(error instanceof PlatformError);
      return error.errors.map(({ pointer, code }) => `${pointer} ${code}`);
    }
  }

  it('points at what is wrong, through alternatives', () => {
    assert.deepEqual(problems({ who: [{ email: 1 }, { nam: 'x' }, 'a@b.test'] }), [
      '/who/0/email invalid_type',
      '/who/1/email required',
      '/who/1/nam unknown_field',
    ]);
    assert.deepEqual(problems({ who: true }), ['/who invalid_type']);
    assert.deepEqual(problems(undefined), [' required']);
    assert.deepEqual(problems([]), [' invalid_type']);
  });

  it('escapes pointers (RFC 6901) and names wrong keys', () => {
    const value = { who: 'a@b.test', 'a/b': { 'c~d': 'x' }, keyed: { other: 'x' } };
    assert.deepEqual(problems(value), ['/a~1b/c~0d invalid_type', '/keyed/other key_invalid']);
  });

  it('keeps a list of a thousand mistakes short', () => {
    const value = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x${n}`, n]));
    assert.equal(problems({ who: 'a@b.test', ...value }).length, 50);
  });
});

describe('measureJson', () => {
  const measure = (json: string) => measureJson(Buffer.from(json), { depth: 100, parts: 100 });

  it('counts nesting and parts, not what stands in texts', () => {
    assert.deepEqual(measure('{"a":[1,[2]],"b":{}}'), { depth: 3, parts: 4 });
    assert.deepEqual(measure('"[[,:]]"'), { depth: 0, parts: 0 });
    assert.deepEqual(measure(String.raw`{"a\"[[":"\\","b":"\\\"[["}`), { depth: 1, parts: 3 });
    assert.deepEqual(measure('"never ends [[['), { depth: 0, parts: 0 });
  });

  it('stops where a limit is passed', () => {
    assert.equal(measure('['.repeat(100_000)).depth, 101);
    assert.equal(measure(`[${'0,'.repeat(100_000)}`).parts, 101);
  });
});

describe('toCsvLine', () => {
  it('quotes, and disarms formulas', () => {
    assert.equal(
      toCsvLine(['a', 'b,c', 'd"e', null, 1, -1, true]),
      'a,"b,c","d""e",,1,-1,true\r\n',
    );
    assert.equal(
      toCsvLine(['=1', '+1', '-1', '@x', '\tx', '\r=1', '|x']),
      `'=1,'+1,'-1,'@x,'\tx,"'\r=1",|x\r\n`,
    );
  });
});
