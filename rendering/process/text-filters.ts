import { filter, type Filter } from './filter.ts';
import { TemplateFault } from './template-fault.ts';
import { SafeText, escapeHtml, isDict, refuseLength, textOf } from './values.ts';

/** A filter from text to text: what was safe HTML stays so. */
const text = (params: string[], run: (value: string, ...args: unknown[]) => string): Filter =>
  filter(params, (value, ...args) => {
    const result = run(textOf(value), ...args);
    return value instanceof SafeText ? new SafeText(result) : result;
  });

function toNumber(value: unknown, what: string): number {
  const number = typeof value === 'number' ? value : Number.parseFloat(textOf(value));
  if (Number.isNaN(number)) throw new TemplateFault(`${what} is not a number.`);
  return number;
}
const wholeNumber = (value: unknown, what: string) =>
  Math.max(0, Math.floor(toNumber(value, what)));

const capitalize = (word: string) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();

function center(value: string, width: unknown = 80): string {
  const spaces = wholeNumber(width, 'The width') - value.length;
  if (spaces <= 0) return value;
  refuseLength(value.length + spaces);
  const before = ' '.repeat(Math.floor(spaces / 2));
  return before + value + ' '.repeat(spaces - before.length);
}

function indent(value: string, width: unknown = 4, first: unknown = false): string {
  const lines = value.split('\n');
  const spaces = wholeNumber(width, 'The width');
  refuseLength(value.length + spaces * lines.length);
  return lines
    .map((line, index) => (index === 0 && first !== true ? line : ' '.repeat(spaces) + line))
    .join('\n');
}

function replace(value: string, old: unknown, by: unknown = '', most: unknown = Infinity): string {
  const [search, replacement] = [textOf(old), textOf(by)];
  const limit = toNumber(most, 'The number of replacements');
  const pieces = value.split(search);
  // Like Python, an empty text is found before each character and at the end.
  if (search === '') pieces.unshift('');
  if (search === '') pieces.push('');
  const replaced = Math.min(pieces.length - 1, limit < 0 ? Infinity : limit);
  refuseLength(value.length + replaced * replacement.length);
  if (replaced === pieces.length - 1) return pieces.join(replacement);
  return (
    pieces.slice(0, replaced + 1).join(replacement) +
    [''].concat(pieces.slice(replaced + 1)).join(search)
  );
}

function truncate(value: string, length: unknown = 255, cut: unknown = false, end?: unknown) {
  const longest = wholeNumber(length, 'The length');
  if (value.length <= longest) return value;
  const space = cut === true ? -1 : value.lastIndexOf(' ', longest);
  return value.slice(0, space < 0 ? longest : space) + textOf(end ?? '...');
}

const TAG = /<\/?[a-z][^<>]*>|<!--[^]*?-->/gi;

function striptags(value: string, keepLines: unknown = false): string {
  const bare = value.replaceAll(TAG, '').trim();
  if (keepLines !== true) return bare.replaceAll(/\s+/g, ' ');
  return bare
    .split(/\r?\n/)
    .map((line) => line.trim().replaceAll(/ +/g, ' '))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n');
}

const WEB_ADDRESS = /^(?:https?:\/\/|www\.)\S+[^\s.,)]/;
const MAIL_ADDRESS = /^[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?=[.,)]?$)/;

/** Links web and mail addresses; the rest of an unsafe text is escaped, so that the result is safe. */
function urlize(value: unknown, length: unknown = Infinity, nofollow: unknown = false): SafeText {
  const isSafe = value instanceof SafeText;
  const html = (piece: string) => (isSafe ? piece.replaceAll('"', '&quot;') : escapeHtml(piece));
  const rel = nofollow === true ? ' rel="nofollow"' : '';
  const shown = toNumber(length, 'The length');
  const words = textOf(value)
    .split(/(\s+)/)
    .map((word) => {
      const [address] = WEB_ADDRESS.exec(word) ?? MAIL_ADDRESS.exec(word) ?? [];
      if (address === undefined) return html(word);
      const scheme = MAIL_ADDRESS.test(word)
        ? 'mailto:'
        : address.startsWith('www.')
          ? 'http://'
          : '';
      const link = `<a href="${scheme}${html(address)}"${rel}>${html(address.slice(0, shown))}</a>`;
      return link + html(word.slice(address.length));
    });
  return new SafeText(words.join(''));
}

function urlencode(value: unknown): string {
  if (!isDict(value) && !Array.isArray(value))
    return encodeURIComponent(textOf(value).toWellFormed());
  const pairs: unknown[] = Array.isArray(value) ? value : Object.entries(value);
  return pairs
    .map((pair) => {
      if (!Array.isArray(pair))
        throw new TemplateFault('`urlencode` wants pairs of name and value.');
      return `${urlencode(textOf(pair[0]))}=${urlencode(textOf(pair[1]))}`;
    })
    .join('&');
}

function round(value: unknown, precision: unknown = 0, method: unknown = 'common'): number {
  const factor = 10 ** toNumber(precision, 'The precision');
  const scaled = toNumber(value, 'The value') * factor;
  if (method === 'ceil') return Math.ceil(scaled) / factor;
  return (method === 'floor' ? Math.floor(scaled) : Math.round(scaled)) / factor;
}

const orDefault = (number: number, fallback: unknown) => (Number.isNaN(number) ? fallback : number);

export const textFilters = {
  capitalize: text([], capitalize),
  center: text(['width'], center),
  indent: text(['width', 'first'], indent),
  lower: filter([], (value) => textOf(value).toLowerCase()),
  nl2br: text([], (value) => value.replaceAll(/\r\n|\n/g, '<br />\n')),
  replace: text(['old', 'new', 'count'], replace),
  string: text([], (value) => value),
  striptags: text(['preserveLinebreaks'], striptags),
  title: text([], (value) => value.split(' ').map(capitalize).join(' ')),
  trim: text([], (value) => value.trim()),
  truncate: text(['length', 'killwords', 'end'], truncate),
  upper: filter([], (value) => textOf(value).toUpperCase()),
  urlencode: filter([], urlencode),
  urlize: filter(['length', 'nofollow'], urlize),
  wordcount: filter([], (value) => textOf(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  abs: filter([], (value) => Math.abs(toNumber(value, 'The value'))),
  float: filter(['default'], (value, fallback = 0) =>
    orDefault(Number.parseFloat(textOf(value)), fallback),
  ),
  int: filter(['default', 'base'], (value, fallback = 0, base = 10) =>
    orDefault(Number.parseInt(textOf(value), toNumber(base, 'The base')), fallback),
  ),
  round: filter(['precision', 'method'], round),
};
