import type { EntityManager } from '@mikro-orm/postgresql';
import { addressKey } from '../../domain/address.ts';
import { findUuid } from '../../domain/ids.ts';
import { recipientStatuses, type RecipientStatus } from '../../domain/recipient-status.ts';
import type { MessageStatus } from '../../domain/message-status.ts';
import { query } from '../../runtime/database.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { ServiceContext } from '../context.ts';
import type { CallRow, MessageRow, RecipientRow } from '../delivery/records.ts';
import { decodeCursor, pageOf, timeToUuid, type Page, type PageRequest } from '../paging.ts';
import { getMessageLedger } from './find-message.ts';
import { viewMessage, type MessageView } from './message-view.ts';

export interface MessageFilter extends PageRequest {
  status?: MessageStatus | undefined;
  recipientStatus?: RecipientStatus | undefined;
  to?: string | undefined;
  tag?: string | undefined;
  metadata?: Record<string, string> | undefined;
  template?: string | undefined;
  stream?: 'transactional' | 'marketing' | undefined;
  account?: string | undefined;
  provider?: string | undefined;
  providerMessageId?: string | undefined;
}

export async function getMessage(ctx: ServiceContext, id: string): Promise<MessageView> {
  return ctx.read(async (em) =>
    viewMessage(ctx, await getMessageLedger(em, ctx, id), await listAccountNames(em)),
  );
}

/** Newest first. Ids grow with time, so a page stays what it was while new messages come in. */
export async function listMessages(
  ctx: ServiceContext,
  filter: MessageFilter,
): Promise<Page<MessageView>> {
  return ctx.read(async (em) => {
    const names = await listAccountNames(em);
    const messages = await selectMessages(em, ctx, filter, names);
    const ids = messages.map(({ id }) => id);
    const recipients = await query<RecipientRow>(
      em,
      'SELECT * FROM recipients WHERE tenant_id = $1 AND message_id = ANY ($2) ORDER BY id',
      [ctx.tenant.id, ids],
    );
    const calls = await query<CallRow>(
      em,
      'SELECT * FROM provider_calls WHERE tenant_id = $1 AND message_id = ANY ($2) ORDER BY attempt',
      [ctx.tenant.id, ids],
    );
    const views = messages.map((message) => ({
      cursor: message.id,
      view: viewMessage(
        ctx,
        {
          message,
          recipients: recipients.filter(({ message_id }) => message_id === message.id),
          calls: calls.filter(({ message_id }) => message_id === message.id),
        },
        names,
      ),
    }));
    return pageOf(views, filter.limit);
  });
}

async function selectMessages(
  em: EntityManager,
  ctx: ServiceContext,
  filter: MessageFilter,
  names: Map<string, string>,
) {
  const values: unknown[] = [ctx.tenant.id, ctx.mode];
  const conditions = ['m.tenant_id = $1', 'm.mode = $2'];
  /** Adds a condition; `$?` stands for its value. */
  const where = (condition: string, value: unknown) => {
    values.push(value);
    conditions.push(condition.replaceAll('$?', `$${values.length}`));
  };
  const someRecipient = (condition: string, value: unknown) =>
    where(
      `EXISTS (SELECT 1 FROM recipients r WHERE r.tenant_id = $1 AND r.message_id = m.id AND ${condition})`,
      value,
    );
  if (filter.status !== undefined) where('m.status = $?', filter.status);
  if (filter.recipientStatus !== undefined)
    someRecipient('r.state = $?::"char"', recipientStatuses[filter.recipientStatus].letter);
  if (filter.to !== undefined) {
    const hash = ctx.tenant.vault.hashAddress(addressKey(filter.to));
    where(
      'm.id IN (SELECT r.message_id FROM recipients r WHERE r.tenant_id = $1 AND r.address_hash = $?)',
      hash,
    );
  }
  if (filter.tag !== undefined) where('m.tags @> ARRAY[$?]', filter.tag);
  for (const [key, value] of Object.entries(filter.metadata ?? {}))
    where('m.metadata @> $?::jsonb', JSON.stringify({ [key]: value }));
  if (filter.template !== undefined) where('m.template_key = $?', filter.template);
  if (filter.stream !== undefined) where('m.stream = $?', filter.stream);
  if (filter.provider !== undefined) where('m.provider = $?', filter.provider);
  if (filter.account !== undefined) where('m.account_id = $?', accountId(filter.account, names));
  if (filter.providerMessageId !== undefined)
    where(
      'm.id IN (SELECT c.message_id FROM provider_calls c WHERE c.tenant_id = $1 AND c.provider_message_id = $?)',
      filter.providerMessageId,
    );
  if (filter.since !== undefined) where('m.id >= $?', timeToUuid(filter.since));
  if (filter.until !== undefined) where('m.id < $?', timeToUuid(filter.until));
  if (filter.cursor !== undefined) where('m.id < $?', decodeCursor(filter.cursor));
  return query<MessageRow>(
    em,
    `SELECT m.* FROM messages m WHERE ${conditions.join(' AND ')} ORDER BY m.id DESC LIMIT ${filter.limit + 1}`,
    values,
  );
}

/** An account by public id or by name; one that does not exist finds nothing. */
function accountId(account: string, names: Map<string, string>): string {
  const byName = [...names].find(([, name]) => name === account)?.[0];
  return findUuid('providerAccount', account) ?? byName ?? '00000000-0000-0000-0000-000000000000';
}

export async function listAccountNames(em: EntityManager): Promise<Map<string, string>> {
  const accounts = await em.findAll(ProviderAccount);
  return new Map(accounts.map(({ id, name }) => [id, name]));
}
