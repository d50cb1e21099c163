const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENS = new Set([0x5b, 0x7b]); // [ {
const CLOSES = new Set([0x5d, 0x7d]); // ] }
const PARTS = new Set([0x2c, 0x3a]); // , :

export interface JsonShape {
  depth: number;
  /** Keys and list entries, counted by their separators. */
  parts: number;
}

/**
 * How deep and how large a JSON text is, without parsing it: a parser has spent the memory, or the stack, before
 * anybody could say no. Stops counting past the limits. What is not JSON is left to the parser.
 */
export function measureJson(json: Buffer, limits: JsonShape): JsonShape {
  let [depth, deepest, parts] = [0, 0, 0];
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (byte === QUOTE) at = endOfText(json, at);
    else if (PARTS.has(byte)) parts += 1;
    else if (CLOSES.has(byte)) depth -= 1;
    else if (OPENS.has(byte)) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    }
    if (deepest > limits.depth || parts > limits.parts) break;
  }
  return { depth: deepest, parts };
}

/** Index of the closing quote; attachments are megabytes of text, so it is searched for, not walked to. */
function endOfText(json: Buffer, start: number): number {
  let from = start + 1;
  for (;;) {
    const quote = json.indexOf(QUOTE, from);
    if (quote < 0) return json.length;
    let escapes = 0;
    while (json[quote - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return quote;
    from = quote + 1;
  }
}
