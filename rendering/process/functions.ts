import { TemplateFault } from './template-fault.ts';
import { type Callable, makeCallable, makeCycler, textOf } from './values.ts';

const LONGEST_RANGE = 10_000;

function range(first: unknown, second?: unknown, third?: unknown): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const step = third ?? 1;
  if (typeof start !== 'number' || typeof stop !== 'number' || typeof step !== 'number')
    throw new TemplateFault('`range` takes numbers.');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= LONGEST_RANGE))
    throw new TemplateFault(`\`range\` gives at most ${LONGEST_RANGE} numbers.`);
  return Array.from({ length }, (_, index) => start + index * step);
}

function cycler(...items: unknown[]): object {
  let index = -1;
  const next = makeCallable(() => {
    index = (index + 1) % items.length;
    return items[index];
  });
  const reset = makeCallable(() => {
    index = -1;
    return '';
  });
  return makeCycler({
    next,
    reset,
    get current() {
      return items[index] ?? null;
    },
  });
}

function joiner(separator: unknown = ','): Callable {
  let isFirst = true;
  return makeCallable(() => {
    const text = isFirst ? '' : textOf(separator);
    isFirst = false;
    return text;
  });
}

/** What a template can call without making it; state lives in what they return, so in one render. */
export const functions: Readonly<Record<string, Callable>> = Object.freeze({
  range: makeCallable(range),
  cycler: makeCallable(cycler),
  joiner: makeCallable(joiner),
});
