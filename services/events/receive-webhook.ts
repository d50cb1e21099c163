import { timingSafeEqual } from 'node:crypto';
import { toUuid } from '../../domain/ids.ts';
import { notFound } from '../../domain/platform-error.ts';
import { findProvider } from '../../providers/index.ts';
import type { ProviderWebhook, WebhookRequest } from '../../providers/provider.ts';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { Platform, TenantHandle } from '../platform.ts';

/** An account as far as its webhook is concerned; kept in memory so that posts can be verified without PostgreSQL. */
export interface WebhookAccount {
  id: string;
  tenant: TenantHandle;
  provider: string;
  tokenHashes: Buffer[];
  secrets: unknown;
}

export interface ReceivedPost extends WebhookRequest {
  provider: string;
  /** `acc_…`, as in the URL. */
  account: string;
  token: string;
  receivedAt: Date;
}

export type WebhookAnswer = { status: number; result: 'stored' | 'answered' | 'not_authentic' };

const FRESH_MS = 30_000;
const HANDSHAKE_WITHIN_MS = 5_000;
const MAX_KEPT = 10_000;
const kept = new WeakMap<Platform, Map<string, { account: WebhookAccount; loadedAt: number }>>();

/**
 * Takes what a provider posted: verified over the raw bytes and stored durably, nothing else; the relay does the rest.
 * @throws not_found for an account or token that does not exist, and whatever PostgreSQL throws when it is away
 */
export async function receiveWebhook(
  platform: Platform,
  post: ReceivedPost,
): Promise<WebhookAnswer> {
  const account = await getWebhookAccount(platform, post);
  const { webhook } = verifiable(post.provider);
  const answer = await answerWithoutStoring(account, webhook, post);
  if (answer) return answer;
  await storePost(platform, account, post);
  return { status: webhook.answers.stored, result: 'stored' };
}

export function verifiable(provider: string): { webhook: ProviderWebhook } {
  const webhook = findProvider(provider)?.webhook;
  if (!webhook) throw notFound('webhook');
  return { webhook };
}

/** The answer to a post that is not authentic, or that asks for something instead of telling of events. */
export async function answerWithoutStoring(
  account: WebhookAccount,
  webhook: ProviderWebhook,
  post: ReceivedPost,
): Promise<WebhookAnswer | undefined> {
  if (!(await isAuthentic(account, webhook, post)))
    return { status: webhook.answers.notAuthentic, result: 'not_authentic' };
  return (await webhook.answerHandshake?.(post, HANDSHAKE_WITHIN_MS))
    ? { status: webhook.answers.stored, result: 'answered' }
    : undefined;
}

async function isAuthentic(
  account: WebhookAccount,
  webhook: ProviderWebhook,
  post: ReceivedPost,
): Promise<boolean> {
  return account.secrets !== null && (await webhook.verify(post, account.secrets));
}

/** The account that the URL names, if the token is one of its two. */
export async function getWebhookAccount(
  platform: Platform,
  post: ReceivedPost,
): Promise<WebhookAccount> {
  const id = toUuid('providerAccount', post.account);
  const known = keptAccounts(platform).get(id);
  const account =
    known && Date.now() - known.loadedAt < FRESH_MS
      ? known.account
      : await loadAccount(platform, id);
  checkToken(platform, account, post);
  return account;
}

/** As {@link getWebhookAccount}, from memory only, however old: for when PostgreSQL is away. */
export function findKeptAccount(
  platform: Platform,
  post: ReceivedPost,
): WebhookAccount | undefined {
  const account = keptAccounts(platform).get(toUuid('providerAccount', post.account))?.account;
  if (account) checkToken(platform, account, post);
  return account;
}

function checkToken(platform: Platform, account: WebhookAccount, post: ReceivedPost): void {
  const hash = platform.vault.hashToken(post.token);
  const isKnown = account.tokenHashes.map((known) => timingSafeEqual(known, hash)).includes(true);
  if (!isKnown || account.provider !== post.provider) throw notFound('webhook');
}

async function loadAccount(platform: Platform, id: string): Promise<WebhookAccount> {
  const [found] = await platform.app.transaction((em) =>
    query<{
      tenant_id: string;
      provider: string;
      token_hash: Buffer;
      previous_token_hash: Buffer | null;
    }>(em, 'SELECT * FROM find_webhook_account($1)', [id]),
  );
  if (!found) throw notFound('webhook');
  const tenant = await platform.getTenant(found.tenant_id);
  const stored = await platform.app.inTenant(tenant.id, (em) =>
    em.findOne(ProviderAccount, { id }),
  );
  if (!stored) throw notFound('webhook');
  const account: WebhookAccount = {
    id,
    tenant,
    provider: found.provider,
    tokenHashes: [
      found.token_hash,
      ...(found.previous_token_hash ? [found.previous_token_hash] : []),
    ],
    secrets: stored.webhookSecretsEnc
      ? tenant.vault.openJson('webhook_secrets', stored.webhookSecretsEnc)
      : null,
  };
  const accounts = keptAccounts(platform);
  accounts.set(id, { account, loadedAt: Date.now() });
  if (accounts.size > MAX_KEPT) accounts.delete(accounts.keys().next().value ?? '');
  return account;
}

function keptAccounts(platform: Platform) {
  let accounts = kept.get(platform);
  if (!accounts) {
    accounts = new Map();
    kept.set(platform, accounts);
  }
  return accounts;
}

export async function storePost(
  platform: Platform,
  account: WebhookAccount,
  post: ReceivedPost,
): Promise<void> {
  const { tenant } = account;
  await platform.app.inTenant(tenant.id, (em) =>
    query(
      em,
      `INSERT INTO webhook_inbox (tenant_id, id, account_id, provider, received_at, body_enc)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        tenant.id,
        newUuid(),
        account.id,
        account.provider,
        post.receivedAt,
        tenant.vault.seal('inbox', post.body),
      ],
    ),
  );
}
