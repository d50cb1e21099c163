import type { z } from 'zod';
import { PlatformError, type ErrorItem } from '../domain/platform-error.ts';
import { toPointer } from './json-pointer.ts';

const MAX_ITEMS = 50;

type Issue = z.core.$ZodIssue;

/**
 * The value as its schema reads it.
 * @throws invalid, an item with a JSON pointer for everything that is wrong; values are never repeated
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = schema.safeParse(value, { error: nameKnownFields });
  if (result.success) return result.data;
  const items = result.error.issues.flatMap((issue) => toItems(issue, [], value));
  const [first] = items;
  throw new PlatformError(
    'invalid',
    items.length === 1 && first
      ? first.detail
      : `${items.length} things are wrong; "errors" has each with its place.`,
    { errors: items.slice(0, MAX_ITEMS) },
  );
}

function toItems(issue: Issue, base: PropertyKey[], value: unknown): ErrorItem[] {
  const path = [...base, ...issue.path];
  const pointer = toPointer(path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      pointer: toPointer([...path, key]),
      code: 'unknown_field',
      detail: `There is no field "${shorten(key)}" here. ${issue.message}`,
    }));
  if (valueAt(value, path) === undefined && issue.code !== 'custom')
    return [{ pointer, code: 'required', detail: `"${nameOf(path)}" is required.` }];
  if (issue.code === 'invalid_union') return unionItems(issue, path, value);
  if (issue.code === 'invalid_key')
    return [
      {
        pointer,
        code: 'key_invalid',
        detail: `This key is not possible: ${issue.issues[0]?.message ?? ''}`,
      },
    ];
  return [{ pointer, code: codeOf(issue), detail: detailOf(issue, nameOf(path)) }];
}

/** Of a union's branches, the one that was meant: whose type fits. None fits: all types are named. */
function unionItems(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: PropertyKey[],
  value: unknown,
): ErrorItem[] {
  const meant = issue.errors.find((branch) => !branch.some(isWrongType));
  if (meant) return meant.flatMap((inner) => toItems(inner, path, value));
  const types = [...new Set(expectedTypes(issue))].map((type) => TYPE_NAMES[type] ?? type);
  return [
    {
      pointer: toPointer(path),
      code: 'invalid_type',
      detail: `"${nameOf(path)}" must be ${types.join(' or ')}.`,
    },
  ];
}

function isWrongType(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union')
    return issue.errors.every((branch) => branch.some(isWrongType));
  return issue.code === 'invalid_type';
}

function expectedTypes(issue: Issue): string[] {
  if (issue.code === 'invalid_union') return issue.errors.flat().flatMap(expectedTypes);
  return issue.code === 'invalid_type' ? [issue.expected] : [];
}

const TYPE_NAMES: Record<string, string> = {
  string: 'text',
  object: 'an object',
  array: 'a list',
  record: 'an object',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  null: 'null',
};

function codeOf(issue: Issue): string {
  if (issue.code === 'custom') {
    const code: unknown = issue.params?.['code'];
    return typeof code === 'string' ? code : 'invalid_value';
  }
  return issue.code;
}

/** zod's own sentences serve where they are readable; types, sizes and dates are not. */
function detailOf(issue: Issue, name: string): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_type')
    return `"${name}" must be ${TYPE_NAMES[issue.expected] ?? issue.expected}.`;
  if (issue.code === 'too_big') return sizeDetail(name, `at most ${issue.maximum}`, issue.origin);
  if (issue.code === 'too_small')
    return sizeDetail(name, `at least ${issue.minimum}`, issue.origin);
  if (issue.code === 'invalid_format' && issue.format === 'datetime')
    return `"${name}" must be a time such as 2026-01-31T12:00:00Z (RFC 3339).`;
  return `"${name}": ${issue.message}.`;
}

function sizeDetail(name: string, size: string, origin: string): string {
  const unit = UNITS[origin];
  return unit === undefined ? `"${name}" must be ${size}.` : `"${name}" must have ${size} ${unit}.`;
}

const UNITS: Record<string, string> = {
  string: 'characters',
  array: 'entries',
  object: 'entries',
  record: 'entries',
};

function nameKnownFields(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const { shape } = (issue.inst as z.ZodObject | undefined)?._zod.def ?? {};
  return shape ? `Known: ${Object.keys(shape).join(', ')}.` : undefined;
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

function nameOf(path: PropertyKey[]): string {
  return path.length === 0 ? 'body' : shorten(path.map(String).join('.'));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
