import { invalid } from '../domain/platform-error.ts';
import { toPointer } from './json-pointer.ts';

/** `?a=1&metadata.order=7` as `{ a: '1', metadata: { order: '7' } }`. */
export function parseQuery(url: string): Record<string, unknown> {
  const at = url.indexOf('?');
  const query: Record<string, unknown> = {};
  const metadata: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(at < 0 ? '' : url.slice(at + 1))) {
    if (/\0/.test(name + value))
      throw invalid(toPointer([name]), 'character_invalid', 'The query holds a NUL.');
    const key = /^metadata\.(.+)$/s.exec(name)?.[1];
    const [target, field] = key === undefined ? [query, name] : [metadata, key];
    if (Object.hasOwn(target, field))
      throw invalid(toPointer([name]), 'duplicate', `"${name}" stands twice in the query.`);
    // Defined, not assigned: a name may be __proto__.
    Object.defineProperty(target, field, { value, enumerable: true, writable: true });
    if (target === metadata) query['metadata'] = metadata;
  }
  return query;
}
