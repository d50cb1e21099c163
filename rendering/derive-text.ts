import { convert } from 'html-to-text';

// Private-use characters stand for Nunjucks tags while the HTML around them is converted.
const OPEN = '\uE000';
const CLOSE = '\uE001';
const TAG = /\{\{[^]*?\}\}|\{%[^]*?%\}|\{#[^]*?#\}/g;
const PLACEHOLDER = /\uE000(\d+)\uE001/g;

const LONGEST_HTML = 2_000_000;

/**
 * The text part for an HTML part that has none. Takes the template's source and keeps its Nunjucks tags, so that the
 * text is a template, too; meant for publishing, not for each mail.
 */
export function deriveText(html: string): string {
  const tags: string[] = [];
  const marked = html
    .replaceAll(/[\uE000\uE001]/g, '')
    .replaceAll(TAG, (tag) => `${OPEN}${tags.push(tag) - 1}${CLOSE}`);
  const text = convert(marked, {
    wordwrap: false,
    limits: { maxInputLength: LONGEST_HTML, maxDepth: 200, ellipsis: '' },
    selectors: [
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
      { selector: 'img', format: 'skip' },
      ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({
        selector,
        options: { uppercase: false },
      })),
    ],
  });
  return text.replaceAll(PLACEHOLDER, (_, index: string) => tags[Number(index)] ?? '').trim();
}
