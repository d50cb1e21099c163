import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { findUuid, toUuid } from '../../domain/ids.ts';
import { invalid, notFound } from '../../domain/platform-error.ts';
import { findProvider, providerKinds } from '../../providers/index.ts';
import type { Provider } from '../../providers/provider.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { idRange, pageOf, type Page, type PageRequest } from '../paging.ts';
import { randomText } from '../tenants/new-key.ts';
import { orTaken } from '../unique.ts';
import { checkVersion, type VersionCondition } from '../version-condition.ts';
import { viewProviderAccount, type Price, type ProviderAccountView } from './account-view.ts';
import { checkAccountFields } from './check-account-fields.ts';
import { getProvider } from './open-account.ts';

type Fields = Record<string, unknown>;

/** Everything but the provider can change later. */
interface AccountFields {
  name: string;
  credentials: Fields;
  settings: Fields;
  /** What proves that a post comes from the provider, such as `signingKey`. */
  webhook: Fields | null;
  /** Null: as the provider usually does. */
  deliveryEvents: 'full' | 'partial' | 'none' | null;
  honoursCallId: boolean;
  limits: { perSecond?: number | null | undefined; perDay?: number | null | undefined };
  pricePerThousand: Price | null;
  enabled: boolean;
}
type Optional<T> = { [K in keyof T]?: T[K] | undefined };

export type CreateProviderAccountInput = Pick<AccountFields, 'name'> &
  Optional<AccountFields> & { provider: string };
export type UpdateProviderAccountInput = Optional<AccountFields>;

/** A new account of the context's mode. */
export async function createProviderAccount(
  ctx: ServiceContext,
  input: CreateProviderAccountInput,
): Promise<ProviderAccountView> {
  const provider = requireProvider(input.provider);
  const { credentials = {}, settings = {}, webhook = null, honoursCallId = false } = input;
  checkName(input.name);
  checkAccountFields(
    ctx,
    provider,
    { credentials, settings, webhook },
    {
      mode: ctx.mode,
      honoursCallId,
    },
  );
  const { vault } = ctx.tenant;
  const now = ctx.now();
  const work = ctx.write(async (em) => {
    const account = em.create(ProviderAccount, {
      id: newUuid(),
      tenantId: ctx.tenant.id,
      name: input.name,
      provider: provider.kind,
      mode: ctx.mode,
      credentialsEnc: vault.sealJson('credentials', credentials),
      settings,
      webhookSecretsEnc: webhook && vault.sealJson('webhook_secrets', webhook),
      webhookPreviousTokenHash: null,
      ...newWebhookToken(ctx),
      deliveryEvents: input.deliveryEvents ?? provider.deliveryEvents,
      honoursCallId,
      perSecond: input.limits?.perSecond ?? null,
      perDay: input.limits?.perDay ?? null,
      priceMicros: input.pricePerThousand?.micros ?? null,
      priceCurrency: input.pricePerThousand?.currency ?? null,
      enabled: input.enabled ?? true,
      lastEventAt: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    const view = viewProviderAccount(ctx, account);
    audit(em, ctx, 'provider_account.created', view.id, { provider: provider.kind });
    await em.flush();
    return view;
  });
  return orTaken(work, '/name', `There is an account named ${input.name} already.`);
}

/** Those of the caller's mode. */
export async function listProviderAccounts(
  ctx: ServiceContext,
  request: PageRequest,
): Promise<Page<ProviderAccountView>> {
  return ctx.read(async (em) => {
    const accounts = await em.find(
      ProviderAccount,
      { ...idRange(request), mode: ctx.mode },
      { orderBy: { id: 'desc' }, limit: request.limit + 1 },
    );
    return pageOf(
      accounts.map((account) => ({ cursor: account.id, view: viewProviderAccount(ctx, account) })),
      request.limit,
    );
  });
}

export async function getProviderAccount(
  ctx: ServiceContext,
  id: string,
): Promise<ProviderAccountView> {
  return ctx.read(async (em) => viewProviderAccount(ctx, await getAccount(em, ctx, id)));
}

/** Absent fields stay, null clears; `credentials`, `settings` and `webhook` merge field by field. */
export async function updateProviderAccount(
  ctx: ServiceContext,
  id: string,
  condition: VersionCondition,
  input: UpdateProviderAccountInput,
): Promise<ProviderAccountView> {
  if (input.name !== undefined) checkName(input.name);
  const work = ctx.write(async (em) => {
    const account = await getAccount(em, ctx, id, LockMode.PESSIMISTIC_WRITE);
    checkVersion(condition, account.version);
    const provider = getProvider(account.provider);
    changeProviderFields(ctx, provider, account, input);
    if (input.name !== undefined) account.name = input.name;
    if (input.deliveryEvents !== undefined)
      account.deliveryEvents = input.deliveryEvents ?? provider.deliveryEvents;
    if (input.limits?.perSecond !== undefined) account.perSecond = input.limits.perSecond;
    if (input.limits?.perDay !== undefined) account.perDay = input.limits.perDay;
    if (input.pricePerThousand !== undefined) {
      account.priceMicros = input.pricePerThousand?.micros ?? null;
      account.priceCurrency = input.pricePerThousand?.currency ?? null;
    }
    if (input.enabled !== undefined) account.enabled = input.enabled;
    account.version += 1;
    account.updatedAt = ctx.now();
    audit(em, ctx, 'provider_account.updated', id, { fields: Object.keys(input) });
    await em.flush();
    return viewProviderAccount(ctx, account);
  });
  return orTaken(work, '/name', `There is an account named ${input.name ?? ''} already.`);
}

/**
 * A new token in the webhook's URL. The one before keeps working until the next rotation, so that the provider can be
 * told in between.
 */
export async function rotateWebhookToken(
  ctx: ServiceContext,
  id: string,
): Promise<ProviderAccountView> {
  return ctx.write(async (em) => {
    const account = await getAccount(em, ctx, id, LockMode.PESSIMISTIC_WRITE);
    account.webhookPreviousTokenHash = account.webhookTokenHash;
    Object.assign(account, newWebhookToken(ctx));
    account.version += 1;
    account.updatedAt = ctx.now();
    audit(em, ctx, 'provider_account.webhook_token_rotated', id);
    await em.flush();
    return viewProviderAccount(ctx, account);
  });
}

/** One account of this tenant and mode; another's answers like one that does not exist. */
export async function getAccount(
  em: EntityManager,
  ctx: ServiceContext,
  id: string,
  lockMode: LockMode = LockMode.NONE,
): Promise<ProviderAccount> {
  const uuid = toUuid('providerAccount', id);
  const account = await em.findOne(ProviderAccount, { id: uuid, mode: ctx.mode }, { lockMode });
  if (!account) throw notFound('provider account');
  return account;
}

function changeProviderFields(
  ctx: ServiceContext,
  provider: Provider,
  account: ProviderAccount,
  input: UpdateProviderAccountInput,
): void {
  const { vault } = ctx.tenant;
  const settings = merge(account.settings, input.settings);
  const credentials = merge(
    vault.openJson<Fields>('credentials', account.credentialsEnc),
    input.credentials,
  );
  const secrets = account.webhookSecretsEnc
    ? vault.openJson<Fields>('webhook_secrets', account.webhookSecretsEnc)
    : {};
  const merged = input.webhook === null ? {} : merge(secrets, input.webhook);
  const webhook = Object.keys(merged).length > 0 ? merged : null;
  const honoursCallId = input.honoursCallId ?? account.honoursCallId;
  checkAccountFields(
    ctx,
    provider,
    { credentials, settings, webhook },
    {
      mode: account.mode,
      honoursCallId,
    },
  );
  checkMove(provider, account.settings, settings, input.credentials);
  account.settings = settings;
  account.honoursCallId = honoursCallId;
  if (input.credentials !== undefined)
    account.credentialsEnc = vault.sealJson('credentials', credentials);
  if (input.webhook !== undefined)
    account.webhookSecretsEnc = webhook && vault.sealJson('webhook_secrets', webhook);
}

/** Credentials are only written: who moves an account to a host of their own must know them, or could read them there. */
function checkMove(
  provider: Provider,
  before: Fields,
  after: Fields,
  credentials: Fields | undefined,
): void {
  const [from, to] = [provider.endpoint(before), provider.endpoint(after)];
  const isSame = from.host === to.host && from.port === to.port;
  if (isSame || to.isOwn || credentials !== undefined) return;
  throw invalid(
    '/credentials',
    'required',
    'The account moves to another host. Give its credentials again.',
  );
}

function merge(before: Fields, change: Fields | undefined): Fields {
  const merged = { ...before, ...change };
  return Object.fromEntries(
    Object.entries(merged).filter(([, value]) => value !== null && value !== undefined),
  );
}

function newWebhookToken({ platform, tenant }: ServiceContext) {
  const token = randomText(32);
  return {
    webhookTokenHash: platform.vault.hashToken(token),
    webhookTokenEnc: tenant.vault.seal('webhook_token', token),
  };
}

function requireProvider(kind: string): Provider {
  const provider = findProvider(kind);
  if (!provider)
    throw invalid(
      '/provider',
      'invalid_value',
      `There is no provider of this kind. Use one of: ${providerKinds.join(', ')}.`,
    );
  return provider;
}

function checkName(name: string): void {
  if (findUuid('providerAccount', name) !== undefined)
    throw invalid('/name', 'invalid_value', 'A name must not look like an id.');
}
