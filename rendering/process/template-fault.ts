import type { MailParts, PartName, TemplateError } from '../renderer.ts';

/** Where in a part's source: both count from 1. */
export interface Position {
  line: number;
  column: number;
}

type FaultDetails = Pick<TemplateError, 'code' | 'hint' | 'limit'> & { position?: Position };

/** What is wrong with a template or its variables, said by the code that found it. */
export class TemplateFault extends Error {
  override readonly name = 'TemplateFault';
  readonly details: FaultDetails;

  constructor(detail: string, details: Partial<FaultDetails> = {}) {
    super(detail);
    this.details = { code: 'template_error', ...details };
  }

  /** The same fault with a position, unless it has one already. */
  at(position: Position): TemplateFault {
    if (this.details.position) return this;
    return new TemplateFault(this.message, { ...this.details, position });
  }
}

/** A fault at a node; Nunjucks counts from 0. */
export function positionOf(node: { lineno?: number; colno?: number }): Position {
  return { line: (node.lineno ?? 0) + 1, column: (node.colno ?? 0) + 1 };
}

/**
 * Whatever was thrown while a template was read or run, as a fault. Errors of the engine come from another realm, so
 * they are told by name and words: V8's three RangeErrors are all a template that wants too much memory.
 */
export function toFault(thrown: unknown): TemplateFault {
  if (thrown instanceof TemplateFault) return thrown;
  const { name, message } = thrown as { name?: unknown; message?: unknown };
  const words = typeof message === 'string' ? message : 'unknown error';
  if (name === 'RangeError' && words.includes('call stack'))
    return new TemplateFault(
      'Too deeply nested: a macro that calls itself, or too many brackets.',
      {
        code: 'template_resource',
        limit: 'memory',
      },
    );
  if (name === 'RangeError' && /string length|array length/.test(words))
    return new TemplateFault('A text or list grows too large.', {
      code: 'template_resource',
      limit: 'memory',
    });
  return new TemplateFault(`This cannot be computed: ${words}.`);
}

const EXCERPT_LENGTH = 120;

/** The answer for one part: the fault with its place and the line of the source around it. */
export function toTemplateError(
  fault: TemplateFault,
  part: PartName,
  parts: MailParts,
): TemplateError {
  const { code, hint, limit, position } = fault.details;
  const error: TemplateError = { code, part, detail: fault.message };
  if (hint !== undefined) error.hint = hint;
  if (limit !== undefined) error.limit = limit;
  if (!position) return error;
  const line = parts[part]?.split(/\r\n|\n|\r/)[position.line - 1] ?? '';
  // A minified mail is one long line: show what surrounds the column.
  const start =
    line.length <= EXCERPT_LENGTH
      ? 0
      : Math.max(0, Math.min(position.column - EXCERPT_LENGTH / 2, line.length - EXCERPT_LENGTH));
  const excerpt = line.slice(start, start + EXCERPT_LENGTH).toWellFormed();
  return { ...error, ...position, excerpt };
}
