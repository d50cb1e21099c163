import assert from 'node:assert/strict';
import { runInRealm } from './template-realm.ts';

describe('template realm', () => {
  it('has the language and nothing of Node', () => {
    for (const name of [
      'process',
      'require',
      'fetch',
      'setTimeout',
      'Buffer',
      'console',
      'WebAssembly',
    ])
      assert.equal(runInRealm(`return typeof ${name}`), 'undefined', name);
    assert.equal(runInRealm('return Math.max(1, 2)'), 2);
  });

  it('makes no code from texts', () => {
    for (const code of ['Function("return 1")()', 'eval("1")', '(async () => 1).constructor("1")'])
      assert.throws(() => runInRealm(`return ${code}`), /Code generation from strings/);
  });

  it('keeps nothing for the next template', () => {
    for (const change of [
      'Object.prototype.x = 1',
      'Array.prototype.map = 1',
      'String.prototype.x = 1',
      'Math.max = 1',
      'globalThis.x = 1',
      'JSON.parse = 1',
      '(() => 1).constructor.prototype.x = 1',
    ])
      assert.throws(() => runInRealm(change), { name: 'TypeError' }, change);
  });
});
