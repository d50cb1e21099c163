import { TemplateFault } from './template-fault.ts';

// The values a template can hold: texts, numbers, booleans, null, lists and dicts. Dicts have no prototype. Functions
// are only those made callable here, and are never members of anything but a cycler.

/** A text that is already HTML and is not escaped again. */
export class SafeText {
  readonly text: string;
  readonly length: number;
  constructor(text: string) {
    this.text = text;
    this.length = text.length;
    Object.freeze(this);
  }
  toString(): string {
    return this.text;
  }
}

export type Dict = Record<string, unknown>;
export type Callable = (...args: unknown[]) => unknown;

/** A text inside a template may not grow beyond this, in characters. */
const LONGEST_TEXT = 4_000_000;
export const LONGEST_LIST = 100_000;

const tooLarge = (what: string) =>
  new TemplateFault(`${what} grows too large.`, { code: 'template_resource', limit: 'memory' });

/** Asked before a text is touched: V8 keeps joined texts as a tree, and laying out a huge one aborts the process. */
export function boundedText(text: string): string {
  if (text.length > LONGEST_TEXT) throw tooLarge('A text');
  return text;
}

/** Before something is made that long. */
export function refuseLength(length: number, longest = LONGEST_TEXT): void {
  if (length > longest) throw tooLarge(longest === LONGEST_TEXT ? 'A text' : 'A list');
}

export function isDict(value: unknown): value is Dict {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof SafeText) && !cyclers.has(value);
}

export function toDict(source: object): Dict {
  return Object.freeze(Object.assign(Object.create(null) as Dict, source));
}

/** Variables from their JSON text: frozen, without prototypes. */
export function parseVariables(json: string): Dict {
  const parsed = harmless(JSON.parse(json));
  return isDict(parsed) ? parsed : toDict({});
}

// By hand and not as a reviver of JSON.parse, which takes four times as long.
function harmless(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(harmless));
  const dict = Object.create(null) as Dict;
  for (const key of Object.keys(value)) dict[key] = harmless((value as Dict)[key]);
  return Object.freeze(dict);
}

const callables = new WeakSet();
const cyclers = new WeakSet();

export function makeCallable<Fn extends Callable>(fn: Fn): Fn {
  callables.add(fn);
  return Object.freeze(fn);
}
export function isCallable(value: unknown): value is Callable {
  return typeof value === 'function' && callables.has(value);
}
export function makeCycler(members: Dict): object {
  const cycler = Object.freeze(members);
  cyclers.add(cycler);
  return cycler;
}

/** A member that the data itself has; never one of a prototype, never a function (but a cycler's). */
export function memberOf(target: unknown, key: unknown): unknown {
  const name = key instanceof SafeText ? key.text : key;
  if (typeof name !== 'string' && typeof name !== 'number')
    throw new TemplateFault('A member is chosen by a text or a number.');
  const holder = target instanceof SafeText ? target.text : target;
  if (typeof holder === 'string') {
    if (name === 'length') return holder.length;
    return /^\d+$/.test(String(name)) ? holder[Number(name)] : undefined;
  }
  if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, name))
    return undefined;
  const member = (holder as Dict)[name];
  return typeof member === 'function' && !cyclers.has(holder) ? undefined : member;
}

/** As it is written into a mail; lists are joined by commas, null is nothing. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return boundedText(value);
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof SafeText) return value.text;
  if (Array.isArray(value)) return joinTexts(value, ',');
  if (typeof value === 'function')
    throw new TemplateFault('A function cannot be written out.', { hint: 'Call it: add `()`.' });
  throw new TemplateFault('An object cannot be written out.', {
    hint: 'Choose one of its members, or use `| dump`.',
  });
}

export function joinTexts(list: readonly unknown[], separator: string): string {
  let text = '';
  for (const [index, item] of list.entries())
    text = boundedText(text + (index > 0 ? separator : '') + textOf(item));
  return text;
}

const HTML_ESCAPES: Partial<Record<string, string>> = {
  '&': '&amp;',
  '"': '&quot;',
  "'": '&#39;',
  '<': '&lt;',
  '>': '&gt;',
  '\\': '&#92;',
};
const HTML_SPECIAL = /[&"'<>\\]/;

export function escapeHtml(text: string): string {
  if (!HTML_SPECIAL.test(text)) return text;
  return text.replace(/[&"'<>\\]/g, (character) => HTML_ESCAPES[character] ?? character);
}
