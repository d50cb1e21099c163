import { filter } from './filter.ts';
import { TemplateFault } from './template-fault.ts';
import { tests } from './tests.ts';
import {
  type Dict,
  LONGEST_LIST,
  SafeText,
  isDict,
  joinTexts,
  memberOf,
  refuseLength,
  textOf,
  toDict,
} from './values.ts';

function toList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value === null) return [];
  if (typeof value === 'string' || value instanceof SafeText) return Array.from(textOf(value));
  throw new TemplateFault('This filter wants a list.', {
    hint: isDict(value) ? 'Turn the object into a list with `| list` or `| dictsort`.' : undefined,
  });
}

function toDictValue(value: unknown): Dict {
  if (isDict(value)) return value;
  throw new TemplateFault('This filter wants an object.');
}

/** The value at a dotted path of members; undefined where a step is missing. */
function valueAt(item: unknown, path: unknown): unknown {
  return textOf(path)
    .split('.')
    .reduce((value, step) => memberOf(value, step), item);
}

function wholeNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw new TemplateFault('This filter wants a whole number above 0.');
}

function compare(a: unknown, b: unknown, caseSensitive: boolean): number {
  const key = (value: unknown) => {
    if (typeof value === 'number' || typeof value === 'boolean') return Number(value);
    return caseSensitive ? textOf(value) : textOf(value).toLowerCase();
  };
  const [one, two] = [key(a), key(b)];
  return one < two ? -1 : one > two ? 1 : 0;
}

function batch(value: unknown, size: unknown, fill?: unknown): unknown[][] {
  const [list, length] = [toList(value), wholeNumber(size)];
  refuseLength(length, LONGEST_LIST);
  const batches: unknown[][] = [];
  for (let start = 0; start < list.length; start += length)
    batches.push(list.slice(start, start + length));
  const last = batches.at(-1);
  while (fill !== undefined && last && last.length < length) last.push(fill);
  return batches;
}

function slice(value: unknown, count: unknown, fill?: unknown): unknown[][] {
  const [list, slices] = [toList(value), wholeNumber(count)];
  refuseLength(slices, LONGEST_LIST);
  const size = Math.floor(list.length / slices);
  const longer = list.length % slices;
  return Array.from({ length: slices }, (_, index) => {
    const start = index * size + Math.min(index, longer);
    const items = list.slice(start, start + size + (index < longer ? 1 : 0));
    return fill !== undefined && index >= longer ? [...items, fill] : items;
  });
}

function dictsort(value: unknown, caseSensitive: unknown = false, by: unknown = 'key') {
  const column = by === 'value' ? 1 : 0;
  return Object.entries(toDictValue(value)).sort((a, b) =>
    compare(a[column], b[column], caseSensitive === true),
  );
}

function groupby(value: unknown, attribute: unknown): Dict {
  const groups = Object.create(null) as Record<string, unknown[]>;
  for (const item of toList(value)) {
    const key = textOf(valueAt(item, attribute));
    (groups[key] ??= []).push(item);
  }
  return toDict(groups);
}

function join(value: unknown, separator: unknown = '', attribute?: unknown): string {
  const list = toList(value);
  const items = attribute === undefined ? list : list.map((item) => valueAt(item, attribute));
  return joinTexts(items, textOf(separator));
}

function list(value: unknown): unknown {
  if (!isDict(value)) return toList(value);
  return Object.entries(value).map(([key, member]) => toDict({ key, value: member }));
}

function reverse(value: unknown): unknown {
  const reversed = toList(value).toReversed();
  return Array.isArray(value) ? reversed : reversed.join('');
}

function sort(value: unknown, reversed: unknown, caseSensitive: unknown, attribute: unknown) {
  const at = (item: unknown) => (attribute === undefined ? item : valueAt(item, attribute));
  const sign = reversed === true ? -1 : 1;
  return toList(value).toSorted((a, b) => sign * compare(at(a), at(b), caseSensitive === true));
}

function sum(value: unknown, attribute?: unknown, start: unknown = 0): number {
  let total = Number(start);
  for (const item of toList(value)) {
    const number = attribute === undefined ? item : valueAt(item, attribute);
    if (typeof number !== 'number') throw new TemplateFault('`sum` wants numbers.');
    total += number;
  }
  return total;
}

const selecting = (wanted: boolean) =>
  filter(['test', 'argument'], (value, name = 'truthy', argument) => {
    const test = Object.hasOwn(tests, textOf(name)) ? tests[textOf(name)] : undefined;
    if (!test) throw new TemplateFault(`There is no test \`${textOf(name).slice(0, 40)}\`.`);
    return toList(value).filter((item) => test(item, argument) === wanted);
  });

const selectingAttribute = (wanted: boolean) =>
  filter(['attribute'], (value, attribute) =>
    toList(value).filter((item) => Boolean(valueAt(item, attribute)) === wanted),
  );

function length(value: unknown): number {
  if (isDict(value)) return Object.keys(value).length;
  if (typeof value === 'string') return value.length;
  return toList(value).length;
}

function dump(value: unknown, spaces?: unknown): string {
  const plain = value instanceof SafeText ? value.text : value;
  return JSON.stringify(plain, null, typeof spaces === 'number' ? spaces : undefined);
}

export const listFilters = {
  batch: filter(['linecount', 'fill_with'], batch),
  dictsort: filter(['case_sensitive', 'by'], dictsort),
  dump: filter(['spaces'], dump),
  first: filter([], (value) => toList(value)[0] ?? null),
  groupby: filter(['attribute'], groupby),
  join: filter(['separator', 'attribute'], join),
  last: filter([], (value) => toList(value).at(-1) ?? null),
  length: filter([], length),
  list: filter([], list),
  reject: selecting(false),
  rejectattr: selectingAttribute(false),
  reverse: filter([], reverse),
  select: selecting(true),
  selectattr: selectingAttribute(true),
  slice: filter(['slices', 'fill_with'], slice),
  sort: filter(['reverse', 'case_sensitive', 'attribute'], sort),
  sum: filter(['attribute', 'start'], sum),
};
