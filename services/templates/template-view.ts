import { toPublicId } from '../../domain/ids.ts';
import type { Template, TemplateVersion } from '../../schema/entities/template.ts';

export interface TemplateView {
  id: string;
  key: string;
  name: string;
  kind: 'message';
  publishedVersion: number | null;
  archivedAt: string | null;
  createdAt: string;
  updatedAt: string;
  /** Names this state of it; goes into If-Match. */
  etag: string;
}

export interface TemplateVersionView {
  templateId: string;
  number: number;
  status: 'draft' | 'published';
  subject: string;
  preheader: string | null;
  html: string | null;
  text: string | null;
  variablesSchema: Record<string, unknown> | null;
  sample: Record<string, unknown> | null;
  locale: string | null;
  createdAt: string;
  publishedAt: string | null;
  publishedBy: string | null;
}

export function viewTemplate(template: Template): TemplateView {
  return {
    id: toPublicId('template', template.id),
    key: template.key,
    name: template.name,
    kind: 'message',
    publishedVersion: template.publishedVersion ?? null,
    archivedAt: template.archivedAt?.toISOString() ?? null,
    createdAt: template.createdAt.toISOString(),
    updatedAt: template.updatedAt.toISOString(),
    etag: String(template.version),
  };
}

export function viewTemplateVersion(version: TemplateVersion): TemplateVersionView {
  return {
    templateId: toPublicId('template', version.templateId),
    number: version.number,
    status: version.status,
    subject: version.subject,
    preheader: version.preheader ?? null,
    html: version.html ?? null,
    text: version.text ?? null,
    variablesSchema: version.variablesSchema ?? null,
    sample: version.sample ?? null,
    locale: version.locale ?? null,
    createdAt: version.createdAt.toISOString(),
    publishedAt: version.publishedAt?.toISOString() ?? null,
    publishedBy: version.publishedBy ?? null,
  };
}
