import { createHash } from 'node:crypto';
import { PlatformError } from '../../domain/platform-error.ts';
import { deriveText } from '../../rendering/derive-text.ts';
import type { MailParts } from '../../rendering/renderer.ts';
import type { Template, TemplateVersion } from '../../schema/entities/template.ts';
import type { EntityManager } from '@mikro-orm/postgresql';
import { notFound } from '../../domain/platform-error.ts';
import type { ServiceContext } from '../context.ts';
import { mistakeItem, partsOf } from './check-version-content.ts';
import { contentOf, findVersions, getVersion } from './template-versions.ts';
import { getTemplateRow } from './templates.ts';
import { findVariableProblems } from './variables.ts';

export interface TemplatePreview {
  version: number;
  subject: string;
  preheader: string | null;
  html: string | null;
  text: string | null;
  /** UTF-8, over all parts. */
  sizeBytes: number;
  warnings: { code: string; detail: string }[];
}

/** Gmail shows so much of a mail's HTML and hides the rest behind a link. */
const GMAIL_SHOWS_BYTES = 102 * 1024;

/**
 * Renders a version: the given one, else the published one, else the newest draft.
 * @param input.variables the version's sample where absent
 */
export async function previewTemplate(
  ctx: ServiceContext,
  id: string,
  input: { version?: number | undefined; variables?: Record<string, unknown> | undefined },
): Promise<TemplatePreview> {
  const { template, version } = await ctx.read(async (em) => {
    const found = await getTemplateRow(em, id);
    return { template: found, version: await choose(em, found, input.version) };
  });
  const content = contentOf(version);
  const variables = input.variables ?? content.sample ?? {};
  const problems = findVariableProblems(schemaKey(version), content.variablesSchema, variables);
  if (problems.length > 0)
    throw new PlatformError('invalid', 'The variables do not fit the template.', {
      errors: problems,
    });
  const rendered = await ctx.platform.renderer.render({
    ...(version.status === 'published' && { cacheKey: version.id }),
    parts: partsOf({
      ...content,
      text: content.text ?? (content.html === null ? null : deriveText(content.html)),
    }),
    variables,
  });
  if (!rendered.ok) {
    const item = mistakeItem(rendered.error, template.key);
    throw new PlatformError('invalid', item.detail, { errors: [item] });
  }
  const preview = viewPreview(version.number, rendered.parts);
  return ctx.write(() => Promise.resolve(preview));
}

async function choose(em: EntityManager, template: Template, wanted: number | undefined) {
  const number = wanted ?? template.publishedVersion ?? undefined;
  if (number !== undefined) return getVersion(em, template, number);
  const [newest] = await findVersions(em, template, { limit: 1 });
  if (!newest) throw notFound('template version; POST …/versions makes the first');
  return newest;
}

/** What a compiled schema is kept under: a published version's never changes, a draft's is known by what it says. */
function schemaKey(version: TemplateVersion): string {
  if (version.status === 'published') return version.id;
  const hash = createHash('sha256').update(JSON.stringify(version.variablesSchema ?? null));
  return `${version.id}/${hash.digest('base64url')}`;
}

function viewPreview(version: number, parts: MailParts): TemplatePreview {
  const { subject, preheader = null, html = null, text = null } = parts;
  const size = (part: string | null) => Buffer.byteLength(part ?? '');
  return {
    version,
    subject,
    preheader,
    html,
    text,
    sizeBytes: size(subject) + size(preheader) + size(html) + size(text),
    warnings:
      size(html) > GMAIL_SHOWS_BYTES
        ? [
            {
              code: 'clipped_by_gmail',
              detail: `The HTML has ${Math.ceil(size(html) / 1024)} kB; Gmail hides what comes after 102 kB.`,
            },
          ]
        : [],
  };
}
