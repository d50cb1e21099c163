import type { EntityManager } from '@mikro-orm/postgresql';
import { PlatformError, type ErrorItem } from '../../domain/platform-error.ts';
import type { MailParts, TemplateError } from '../../rendering/renderer.ts';
import { Template, TemplateVersion } from '../../schema/entities/template.ts';
import { findVariableProblems } from '../templates/variables.ts';
import type { AcceptMessageInput } from './message-input.ts';

/** The source of one message: the pinned template version, or what came with the request. */
export interface MessageSource {
  parts: MailParts;
  template?: { id: string; key: string; version: number };
  /** Names the source in the renderer's cache; inline content is not worth keeping. */
  cacheKey?: string;
}

/** Pins the published version of the template that the request names, or takes its inline content. */
export async function getMessageSource(
  em: EntityManager,
  input: AcceptMessageInput,
): Promise<MessageSource> {
  if (!input.template)
    return {
      parts: {
        subject: input.subject ?? '',
        ...(input.preheader !== undefined && { preheader: input.preheader }),
        ...(input.html !== undefined && { html: input.html }),
        ...(input.text !== undefined && { text: input.text }),
      },
    };
  const { key, id, version } = input.template;
  const template = await em.findOne(Template, {
    ...(key !== undefined ? { key } : { id: id ?? '' }),
    archivedAt: null,
  });
  if (!template)
    throw templateProblem('not_found', 'There is no such template. GET /v1/templates lists them.');
  const number = version ?? template.publishedVersion;
  const pinned =
    number === null
      ? null
      : await em.findOne(TemplateVersion, { templateId: template.id, number, status: 'published' });
  if (!pinned)
    throw templateProblem(
      'template_unpublished',
      `${version === undefined ? 'The template' : `Version ${version}`} is not published. POST /v1/templates/:id/versions/:n/publish does it.`,
    );
  const problems = findVariableProblems(pinned.id, pinned.variablesSchema ?? null, input.variables);
  if (problems.length > 0)
    throw new PlatformError('invalid', 'The variables do not fit the template.', {
      errors: problems,
    });
  return {
    ...sourceOfVersion(pinned),
    template: { id: template.id, key: template.key, version: pinned.number },
  };
}

export function sourceOfVersion(version: TemplateVersion): MessageSource & { cacheKey: string } {
  return {
    cacheKey: version.id,
    parts: {
      subject: version.subject,
      ...(version.preheader !== null && { preheader: version.preheader }),
      ...(version.html !== null && { html: version.html }),
      ...(version.text !== null && { text: version.text }),
    },
  };
}

function templateProblem(code: string, detail: string): PlatformError {
  return new PlatformError('invalid', detail, { errors: [{ pointer: '/template', code, detail }] });
}

/** A failed rendering as an item of a 422; it points at the part, or at the template that holds it. */
export function templateErrorItem(error: TemplateError, source: MessageSource): ErrorItem {
  const { detail, hint, line, column, excerpt, part } = error;
  return {
    pointer: source.template ? '/template' : `/${part}`,
    code: error.code,
    detail: hint === undefined ? detail : `${detail} ${hint}`,
    part,
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    ...(excerpt !== undefined && { excerpt }),
    ...(source.template && { template: source.template.key, version: source.template.version }),
  };
}
