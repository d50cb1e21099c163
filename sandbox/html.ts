const REPLACEMENTS: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Markup that is safe to place in a page. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A template literal whose values are escaped, save those that are {@link Html} already. Attributes need quotes. */
export function html(strings: TemplateStringsArray, ...values: (Value | Value[])[]): Html {
  const parts = values.map((value) => [value].flat().map(toMarkup).join(''));
  return new Html(strings.map((text, i) => text + (parts[i] ?? '')).join(''));
}

type Value = string | number | Html;

function toMarkup(value: Value): string {
  if (value instanceof Html) return value.text;
  return String(value).replace(/[&<>"']/g, (character) => REPLACEMENTS[character] ?? '');
}
