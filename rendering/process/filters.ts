import { filter, type Filter } from './filter.ts';
import { listFilters } from './list-filters.ts';
import { textFilters } from './text-filters.ts';
import { SafeText, escapeHtml, textOf } from './values.ts';

const escape = filter([], (value) =>
  value instanceof SafeText ? value : new SafeText(escapeHtml(textOf(value))),
);

const isEmpty = (value: unknown) => !value || (value instanceof SafeText && value.text === '');

const orElse = filter(['value', 'boolean'], (value, fallback = '', alsoEmpty = false) =>
  value === undefined || (alsoEmpty === true && isEmpty(value)) ? fallback : value,
);

/**
 * Nunjucks' filters under its names, without `random`: a mail that is rendered again for a second attempt must come
 * out the same, or a provider refuses its idempotency key.
 */
export const filters: Readonly<Record<string, Filter>> = Object.freeze({
  ...textFilters,
  ...listFilters,
  default: orElse,
  d: orElse,
  escape,
  e: escape,
  forceescape: filter([], (value) => new SafeText(escapeHtml(textOf(value)))),
  safe: filter([], (value) => (value instanceof SafeText ? value : new SafeText(textOf(value)))),
});
