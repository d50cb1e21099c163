import { TemplateFault } from './template-fault.ts';
import { SafeText, isCallable, isDict, textOf } from './values.ts';

type Test = (value: unknown, other?: unknown) => boolean;

function number(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new TemplateFault('This test wants a number.');
}
type Comparable = number | string;
const comparable = (value: unknown): Comparable =>
  typeof value === 'number' ? value : textOf(value);

const same: Test = (one, two) => one === two;
const greater: Test = (one, two) => comparable(one) > comparable(two);
const less: Test = (one, two) => comparable(one) < comparable(two);

/** `is …`: Nunjucks' tests under its names. Only `defined` and `undefined` tell a missing value from a null one. */
export const tests: Readonly<Record<string, Test>> = Object.freeze({
  callable: isCallable,
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  null: (value) => value === null,
  divisibleby: (value, by) => number(value) % number(by) === 0,
  escaped: (value) => value instanceof SafeText,
  equalto: same,
  eq: same,
  sameas: same,
  ne: (one, two) => one !== two,
  even: (value) => number(value) % 2 === 0,
  odd: (value) => Math.abs(number(value) % 2) === 1,
  falsy: (value) => !value,
  truthy: (value) => Boolean(value),
  gt: greater,
  greaterthan: greater,
  ge: (one, two) => comparable(one) >= comparable(two),
  lt: less,
  lessthan: less,
  le: (one, two) => comparable(one) <= comparable(two),
  iterable: (value) => typeof value === 'string' || Array.isArray(value),
  lower: (value) => textOf(value).toLowerCase() === textOf(value),
  upper: (value) => textOf(value).toUpperCase() === textOf(value),
  mapping: isDict,
  number: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string' || value instanceof SafeText,
});
