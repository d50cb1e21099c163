import { invalid, PlatformError } from '../domain/platform-error.ts';
import { toPointer } from './json-pointer.ts';
import { measureJson } from './json-shape.ts';

const LIMITS = { depth: 64, parts: 100_000 };

/** A body as JSON; its words never reach the error, for they may be secrets. */
export function parseJson(bytes: Buffer): unknown {
  const shape = measureJson(bytes, LIMITS);
  if (shape.depth > LIMITS.depth)
    throw new PlatformError('too_large', `The JSON is nested deeper than ${LIMITS.depth} levels.`);
  if (shape.parts > LIMITS.parts)
    throw new PlatformError(
      'too_large',
      `The JSON has more than ${LIMITS.parts} keys and list entries.`,
    );
  const text = decodeUtf8(bytes);
  const value = parse(text);
  if (/\\u(?:0000|d[89a-f])/i.test(text)) refuseUnstorable(value, []);
  return value;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new PlatformError('malformed_json', 'The body is not UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = /at position (\d+)/.exec((error as Error).message)?.[1];
    throw new PlatformError('malformed_json', `The body is not JSON${placeOf(text, position)}.`);
  }
}

function placeOf(text: string, position: string | undefined): string {
  if (position === undefined) return '';
  const before = text.slice(0, Number(position));
  const line = before.split('\n').length;
  return ` (line ${line}, column ${before.length - before.lastIndexOf('\n')})`;
}

/** PostgreSQL stores neither NUL nor half a surrogate pair. Depth is limited by now. */
function refuseUnstorable(value: unknown, path: PropertyKey[]): void {
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed())
      throw invalid(
        toPointer(path),
        'character_invalid',
        'The text holds a NUL or half of a surrogate pair.',
      );
  } else if (value !== null && typeof value === 'object') {
    for (const [key, part] of Object.entries(value)) {
      refuseUnstorable(key, path);
      refuseUnstorable(part, [...path, key]);
    }
  }
}
