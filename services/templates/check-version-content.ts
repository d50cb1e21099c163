import { PlatformError, type ErrorItem } from '../../domain/platform-error.ts';
import type { MailParts, TemplateError } from '../../rendering/renderer.ts';
import type { ServiceContext } from '../context.ts';
import { schemaProblem } from './variables.ts';

export interface VersionContent {
  subject: string;
  preheader: string | null;
  html: string | null;
  text: string | null;
  variablesSchema: Record<string, unknown> | null;
  sample: Record<string, unknown> | null;
  locale: string | null;
}

/** @throws invalid with the first mistake of each part, its line and column */
export async function checkVersionContent(
  ctx: ServiceContext,
  templateKey: string,
  content: VersionContent,
): Promise<void> {
  const problems: ErrorItem[] = [];
  if (content.html === null && content.text === null)
    problems.push({ pointer: '/html', code: 'required', detail: 'Give html, text or both.' });
  const schema = content.variablesSchema && schemaProblem(content.variablesSchema);
  if (schema)
    problems.push({
      pointer: '/variablesSchema',
      code: 'schema_invalid',
      detail: `This is not a JSON Schema (draft 2020-12): ${schema}.`,
    });
  const mistakes = await ctx.platform.renderer.check(partsOf(content));
  problems.push(...mistakes.map((mistake) => mistakeItem(mistake, templateKey)));
  if (problems.length > 0)
    throw new PlatformError('invalid', problems[0]?.detail ?? 'The version is not valid.', {
      errors: problems,
    });
}

export function partsOf({ subject, preheader, html, text }: VersionContent): MailParts {
  return {
    subject,
    ...(preheader !== null && { preheader }),
    ...(html !== null && { html }),
    ...(text !== null && { text }),
  };
}

/** A template's mistake as an item that points at the part it is in. */
export function mistakeItem(mistake: TemplateError, templateKey: string): ErrorItem {
  const { part, code, ...where } = mistake;
  return { pointer: `/${part}`, code, ...where, part, template: templateKey };
}
