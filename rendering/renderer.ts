/** The parts of one mail, Nunjucks source or rendered. Absent stays absent. */
export interface MailParts {
  subject: string;
  preheader?: string;
  html?: string;
  text?: string;
}
export type PartName = keyof MailParts;

export interface TemplateError {
  code: 'template_error' | 'variable_missing' | 'template_resource';
  part: PartName;
  line?: number;
  column?: number;
  /** The line of the source, at most 120 characters. */
  excerpt?: string;
  detail: string;
  hint?: string;
  /** For `template_resource`: which limit. */
  limit?: 'cpu' | 'memory' | 'output';
}

export type RenderResult =
  { ok: true; parts: MailParts; ms: number } | { ok: false; error: TemplateError };

export interface RenderRequest {
  /** Names the compiled source in the cache: the same key always has the same parts. */
  cacheKey?: string;
  parts: MailParts;
  variables: Record<string, unknown>;
}

/**
 * Renders in processes of their own. What is wrong with a template is a value. A PlatformError `unavailable` (retry)
 * is thrown where no template is to blame: the queue is full, the deadline passed, or the renderer was closed.
 */
export interface Renderer {
  render: (request: RenderRequest) => Promise<RenderResult>;
  /** Parses only: the first error of each part, with line and column. */
  check: (parts: MailParts) => Promise<TemplateError[]>;
  /** Names that the parts take from `variables`, sorted; parts that do not parse are left out. */
  variablesUsed: (parts: MailParts) => Promise<string[]>;
  close: () => Promise<void>;
}
