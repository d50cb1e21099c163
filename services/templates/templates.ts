import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { toUuid } from '../../domain/ids.ts';
import { notFound, PlatformError } from '../../domain/platform-error.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { Template } from '../../schema/entities/template.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { idRange, pageOf, type Page, type PageRequest } from '../paging.ts';
import { orTaken } from '../unique.ts';
import { checkVersion, type VersionCondition } from '../version-condition.ts';
import { viewTemplate, type TemplateView } from './template-view.ts';

/** A template without content; versions bring it. The key never changes: requests name it. */
export async function createTemplate(
  ctx: ServiceContext,
  { key, name }: { key: string; name: string },
): Promise<TemplateView> {
  const now = ctx.now();
  const work = ctx.write(async (em) => {
    const template = em.create(Template, {
      id: newUuid(),
      tenantId: ctx.tenant.id,
      key,
      name,
      publishedVersion: null,
      archivedAt: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    const view = viewTemplate(template);
    audit(em, ctx, 'template.created', view.id, { key });
    await em.flush();
    return view;
  });
  return orTaken(work, '/key', `There is a template ${key} already.`);
}

export async function listTemplates(
  ctx: ServiceContext,
  request: PageRequest,
): Promise<Page<TemplateView>> {
  return ctx.read(async (em) => {
    const templates = await em.find(Template, idRange(request), {
      orderBy: { id: 'desc' },
      limit: request.limit + 1,
    });
    return pageOf(
      templates.map((template) => ({ cursor: template.id, view: viewTemplate(template) })),
      request.limit,
    );
  });
}

export async function getTemplate(ctx: ServiceContext, id: string): Promise<TemplateView> {
  return ctx.read(async (em) => viewTemplate(await getTemplateRow(em, id)));
}

export async function updateTemplate(
  ctx: ServiceContext,
  id: string,
  condition: VersionCondition,
  { name }: { name?: string | undefined },
): Promise<TemplateView> {
  return ctx.write(async (em) => {
    const template = await lockTemplate(em, id);
    checkVersion(condition, template.version);
    if (name !== undefined) template.name = name;
    touchTemplate(ctx, template);
    audit(em, ctx, 'template.updated', id, { name: template.name });
    return viewTemplate(template);
  });
}

/** No message can name it from now on; messages that did are sent. Again does nothing. */
export async function archiveTemplate(ctx: ServiceContext, id: string): Promise<TemplateView> {
  return ctx.write(async (em) => {
    const template = await lockTemplate(em, id);
    if (!template.archivedAt) {
      template.archivedAt = ctx.now();
      touchTemplate(ctx, template);
      audit(em, ctx, 'template.archived', id);
    }
    return viewTemplate(template);
  });
}

export async function getTemplateRow(em: EntityManager, id: string): Promise<Template> {
  const template = await em.findOne(Template, { id: toUuid('template', id) });
  if (!template) throw notFound('template');
  return template;
}

/** The template, locked against everybody else who changes it or its versions. */
export async function lockTemplate(em: EntityManager, id: string): Promise<Template> {
  const template = await em.findOne(
    Template,
    { id: toUuid('template', id) },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (!template) throw notFound('template');
  return template;
}

export function touchTemplate(ctx: ServiceContext, template: Template): void {
  template.version += 1;
  template.updatedAt = ctx.now();
}

export function checkNotArchived(template: Template): void {
  if (template.archivedAt)
    throw new PlatformError('state_conflict', 'The template is archived. Make a new one.');
}
