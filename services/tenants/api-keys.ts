import { toPublicId, toUuid } from '../../domain/ids.ts';
import { invalid, notFound, PlatformError } from '../../domain/platform-error.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { ApiKey } from '../../schema/entities/tenancy.ts';
import { audit } from '../audit.ts';
import type { Mode, ServiceContext } from '../context.ts';
import { idRange, pageOf, type Page, type PageRequest } from '../paging.ts';
import { newKey, scopes, type Scope } from './new-key.ts';

export interface CreateApiKeyInput {
  name: string;
  /** That of the caller where absent. */
  mode?: Mode | undefined;
  scopes: Scope[];
  expiresAt?: Date | null | undefined;
}

export interface ApiKeyView {
  id: string;
  name: string;
  mode: Mode;
  scopes: Scope[];
  /** The first characters of the secret. */
  hint: string;
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

/**
 * A new key of the caller's tenant; the secret is in this answer and nowhere else.
 * @param granted the caller's own scopes: nobody hands out more than they have
 */
export async function createApiKey(
  ctx: ServiceContext,
  input: CreateApiKeyInput,
  granted: readonly Scope[] = scopes,
): Promise<ApiKeyView & { secret: string }> {
  const { name, mode = ctx.mode, expiresAt = null } = input;
  if (ctx.mode === 'test' && mode === 'live')
    throw new PlatformError('scope_missing', 'A test key makes test keys only. Use a live key.');
  const beyond = input.scopes.find((scope) => !granted.includes(scope));
  if (beyond !== undefined)
    throw new PlatformError(
      'scope_missing',
      `Your key lacks the scope "${beyond}" and cannot grant it.`,
    );
  if (expiresAt !== null && expiresAt <= ctx.now())
    throw invalid('/expiresAt', 'in_the_past', 'expiresAt is over already.');
  const { secret, hint, hash } = newKey(ctx.platform.vault, mode);
  return ctx.write((em) => {
    const key = em.create(ApiKey, {
      id: newUuid(),
      tenantId: ctx.tenant.id,
      name,
      mode,
      scopes: scopes.filter((scope) => input.scopes.includes(scope)),
      hint,
      hash,
      createdAt: ctx.now(),
      expiresAt,
      revokedAt: null,
    });
    const view = viewApiKey(key);
    audit(em, ctx, 'api_key.created', view.id, { name, mode, scopes: view.scopes });
    return Promise.resolve({ ...view, secret });
  });
}

/** Newest first, revoked ones too. */
export async function listApiKeys(
  ctx: ServiceContext,
  request: PageRequest,
): Promise<Page<ApiKeyView>> {
  return ctx.read(async (em) => {
    const keys = await em.find(
      ApiKey,
      { ...idRange(request), ...visibleTo(ctx) },
      { orderBy: { id: 'desc' }, limit: request.limit + 1 },
    );
    return pageOf(
      keys.map((key) => ({ cursor: key.id, view: viewApiKey(key) })),
      request.limit,
    );
  });
}

/** Ends a key within a second, everywhere; again does nothing. */
export async function revokeApiKey(ctx: ServiceContext, id: string): Promise<ApiKeyView> {
  const uuid = toUuid('apiKey', id);
  return ctx.write(async (em) => {
    const key = await em.findOne(ApiKey, { id: uuid, ...visibleTo(ctx) });
    if (!key) throw notFound('API key');
    if (!key.revokedAt) {
      key.revokedAt = ctx.now();
      audit(em, ctx, 'api_key.revoked', id);
    }
    return viewApiKey(key);
  });
}

/** A live key looks after all keys of its tenant, a test key after test keys. */
function visibleTo(ctx: ServiceContext): { mode?: Mode } {
  return ctx.mode === 'live' ? {} : { mode: 'test' };
}

function viewApiKey(key: ApiKey): ApiKeyView {
  return {
    id: toPublicId('apiKey', key.id),
    name: key.name,
    mode: key.mode,
    scopes: key.scopes as Scope[], // only createApiKey writes them
    hint: key.hint,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
  };
}
