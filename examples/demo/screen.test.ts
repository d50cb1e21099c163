import assert from 'node:assert/strict';
import { LiveLines, tableOf } from './screen.ts';

describe('the demo’s screen', () => {
  const aScreen = (options: { isTTY?: boolean; columns?: number }) => {
    const written: string[] = [];
    return { ...options, written, write: (text: string) => written.push(text) };
  };

  it('rewrites lines in place on a terminal, each within its width', () => {
    const screen = aScreen({ isTTY: true, columns: 10 });
    const live = new LiveLines(screen);
    live.show(['a', 'b']);
    live.show(['a', 'a long line']);
    assert.deepEqual(screen.written, [
      '\x1b[2Ka\n\x1b[2Kb\n',
      '\x1b[2A\x1b[2Ka\n\x1b[2Ka long l…\n',
    ]);
  });

  it('prints elsewhere only what has changed', () => {
    const screen = aScreen({});
    const live = new LiveLines(screen);
    live.show(['a', 'b']);
    live.show(['a', 'b']);
    live.show(['a', 'a long line']);
    assert.deepEqual(screen.written, ['a\nb\n', 'a long line\n']);
  });

  it('makes columns as wide as their longest cell', () => {
    assert.equal(tableOf(['x', 'long'], [['abc', '1']]), '  x    long\n  ───  ────\n  abc  1\n');
  });
});
