import type { EntityManager } from '@mikro-orm/postgresql';
import { notFound, PlatformError } from '../../domain/platform-error.ts';
import { deriveText } from '../../rendering/derive-text.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { TemplateVersion, type Template } from '../../schema/entities/template.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import type { Page } from '../paging.ts';
import { checkVersionContent, type VersionContent } from './check-version-content.ts';
import { viewTemplateVersion, type TemplateVersionView } from './template-view.ts';
import { checkNotArchived, getTemplateRow, lockTemplate, touchTemplate } from './templates.ts';

/** A new draft with the next number. Its source is parsed now, so that a mistake is told while it is fresh. */
export async function createTemplateVersion(
  ctx: ServiceContext,
  id: string,
  content: VersionContent,
): Promise<TemplateVersionView> {
  const template = await ctx.read((em) => getTemplateRow(em, id));
  await checkVersionContent(ctx, template.key, content);
  return ctx.write(async (em) => {
    const locked = await lockTemplate(em, id);
    checkNotArchived(locked);
    const [latest] = await findVersions(em, locked, { limit: 1 });
    const version = em.create(TemplateVersion, {
      id: newUuid(),
      tenantId: ctx.tenant.id,
      templateId: locked.id,
      number: (latest?.number ?? 0) + 1,
      status: 'draft',
      ...content,
      createdAt: ctx.now(),
      publishedAt: null,
      publishedBy: null,
    });
    audit(em, ctx, 'template_version.created', id, { number: version.number });
    return viewTemplateVersion(version);
  });
}

/** Newest first; a cursor is a number. */
export async function listTemplateVersions(
  ctx: ServiceContext,
  id: string,
  { limit, before }: { limit: number; before?: number | undefined },
): Promise<Page<TemplateVersionView>> {
  return ctx.read(async (em) => {
    const template = await getTemplateRow(em, id);
    const versions = await findVersions(em, template, { limit: limit + 1, before });
    const page = versions.slice(0, limit);
    return {
      data: page.map(viewTemplateVersion),
      nextCursor: versions.length > limit ? String(page.at(-1)?.number) : null,
    };
  });
}

export async function getTemplateVersion(
  ctx: ServiceContext,
  id: string,
  number: number,
): Promise<TemplateVersionView> {
  return ctx.read(async (em) =>
    viewTemplateVersion(await getVersion(em, await getTemplateRow(em, id), number)),
  );
}

/** Absent fields stay, null clears. Only drafts change. */
export async function updateTemplateVersion(
  ctx: ServiceContext,
  id: string,
  number: number,
  change: Partial<VersionContent>,
): Promise<TemplateVersionView> {
  const { template, version: draft } = await readVersion(ctx, id, number);
  await checkVersionContent(ctx, template.key, { ...contentOf(draft), ...change });
  return ctx.write(async (em) => {
    const version = await getVersion(em, await lockTemplate(em, id), number);
    checkDraft(version);
    checkUnchanged(version, draft); // the rest of what was checked is still what is there
    Object.assign(version, change);
    audit(em, ctx, 'template_version.updated', id, { number, fields: Object.keys(change) });
    return viewTemplateVersion(version);
  });
}

/** From now on messages that name the template without a version get this one, and it never changes. */
export async function publishTemplateVersion(
  ctx: ServiceContext,
  id: string,
  number: number,
): Promise<TemplateVersionView> {
  const { template, version: draft } = await readVersion(ctx, id, number);
  checkDraft(draft);
  const content = contentOf(draft);
  const text = content.text ?? (content.html === null ? null : deriveText(content.html));
  await checkVersionContent(ctx, template.key, { ...content, text });
  return ctx.write(async (em) => {
    const locked = await lockTemplate(em, id);
    checkNotArchived(locked);
    const version = await getVersion(em, locked, number);
    checkDraft(version);
    checkUnchanged(version, draft);
    version.text = text;
    version.status = 'published';
    version.publishedAt = ctx.now();
    version.publishedBy = ctx.actor;
    locked.publishedVersion = number;
    touchTemplate(ctx, locked);
    audit(em, ctx, 'template_version.published', id, { number });
    return viewTemplateVersion(version);
  });
}

async function readVersion(ctx: ServiceContext, id: string, number: number) {
  return ctx.read(async (em) => {
    const template = await getTemplateRow(em, id);
    return { template, version: await getVersion(em, template, number) };
  });
}

export async function getVersion(
  em: EntityManager,
  template: Template,
  number: number,
): Promise<TemplateVersion> {
  const version = await em.findOne(TemplateVersion, { templateId: template.id, number });
  if (!version) throw notFound('template version');
  return version;
}

/** Newest first. */
export async function findVersions(
  em: EntityManager,
  template: Template,
  { limit, before }: { limit: number; before?: number | undefined },
): Promise<TemplateVersion[]> {
  return em.find(
    TemplateVersion,
    { templateId: template.id, ...(before !== undefined && { number: { $lt: before } }) },
    { orderBy: { number: 'desc' }, limit },
  );
}

export function contentOf(version: TemplateVersion): VersionContent {
  const { subject, preheader, html, text, variablesSchema, sample, locale } =
    viewTemplateVersion(version);
  return { subject, preheader, html, text, variablesSchema, sample, locale };
}

function checkDraft(version: TemplateVersion): void {
  if (version.status === 'published')
    throw new PlatformError(
      'state_conflict',
      `Version ${version.number} is published and never changes. Make a new version.`,
    );
}

function checkUnchanged(now: TemplateVersion, checked: TemplateVersion): void {
  if (JSON.stringify(contentOf(now)) !== JSON.stringify(contentOf(checked)))
    throw new PlatformError('state_conflict', 'The draft was changed meanwhile. Try again.');
}
