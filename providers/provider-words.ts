const MAX_LENGTH = 500;

/** A provider's text, bounded, and without what PostgreSQL cannot hold in a text: NUL and half characters. */
export function providerWords(text: string, maxLength = MAX_LENGTH): string {
  return text.slice(0, maxLength).replaceAll('\0', '').toWellFormed();
}
