import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { providerKinds } from './index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const SKIPPED = /^(node_modules|\.git|\.cache|\.data|test)$/;
/** What may name a provider beside the provider's own two folders. */
const KNOWN: Record<string, string> = {
  'providers/index.ts': 'the table of providers',
  'sandbox/providers/index.ts': 'the table of pretend providers',
  'examples/demo': 'what a person sees first: mail through each of them',
  'api/routes/provider-accounts.ts': 'the example in the documentation',
};

describe('adding a provider', () => {
  const source = (function* files(folder: string): Generator<string> {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED.test(entry.name)) yield* files(path);
      } else if (/\.(ts|mjs)$/.test(entry.name) && !entry.name.endsWith('.test.ts')) yield path;
    }
  })(root);
  const texts = Array.from(source, (path) => ({
    path: relative(root, path).replaceAll('\\', '/'),
    text: readFileSync(path, 'utf8'),
  }));

  for (const kind of providerKinds)
    it(`is a row in each of two tables beside its folders: nothing else knows ${kind}`, () => {
      const name = new RegExp(`['"\`/]${kind}['"\`/]`, 'i');
      const knowing = texts
        .filter(({ path, text }) => !isOwn(path, kind) && name.test(text))
        .map(({ path }) => path);
      assert.ok(knowing.includes('providers/index.ts'));
      assert.ok(knowing.includes('sandbox/providers/index.ts'));
      const unexpected = knowing.filter(
        (path) => !Object.keys(KNOWN).some((known) => path.startsWith(known)),
      );
      assert.deepEqual(unexpected, []);
    });
});

function isOwn(path: string, kind: string): boolean {
  return path.startsWith(`providers/${kind}/`) || path.startsWith(`sandbox/providers/${kind}/`);
}
