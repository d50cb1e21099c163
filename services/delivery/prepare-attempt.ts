import type { EntityManager } from '@mikro-orm/postgresql';
import { PlatformError } from '../../domain/platform-error.ts';
import { decideRoute, type RoutableAccount, type RoutingDecision } from '../../domain/routing.ts';
import type { MailParts } from '../../rendering/renderer.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import { TemplateVersion } from '../../schema/entities/template.ts';
import { query } from '../../runtime/database.ts';
import type { StoredContent } from '../messages/message-input.ts';
import { sourceOfVersion } from '../messages/message-source.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import { openAccount, type UsableAccount } from '../providers/open-account.ts';
import { listRoutableAccounts, resolveWish } from '../routing/route-message.ts';
import type { DeliverInput } from './deliver.ts';
import { outgoingMessage } from './outgoing-message.ts';
import { getLedger, type CallDecision, type CallRow, type Ledger } from './records.ts';

export type PreparedAttempt =
  | {
      kind: 'ready';
      ledger: Ledger;
      content: StoredContent;
      parts: MailParts;
      stored: ProviderAccount;
      usable: UsableAccount;
      decision: CallDecision;
      /** The call that is sent again under its own id. */
      repeatOf: string | undefined;
    }
  | { kind: 'failed'; reason: string; detail?: string };

/** Everything that comes before the claim and needs no claim: source, rendering, route. */
export async function prepareAttempt(
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
): Promise<PreparedAttempt> {
  const loaded = await platform.app.inTenant(tenant.id, (em) => load(em, platform, tenant, input));
  const { ledger, source, content } = loaded;
  const renderedAt = platform.now();
  const rendered = await platform.renderer.render({ ...source, variables: content.variables });
  if (!rendered.ok)
    return { kind: 'failed', reason: rendered.error.code, detail: rendered.error.detail };

  const usable = new Map<string, UsableAccount>();
  const { message, recipients } = ledger;
  const draft = outgoingMessage(tenant, message, content, rendered.parts, recipients, {
    callId: message.id,
    attempt: input.attempt,
  });
  const refuses = (candidate: RoutableAccount) => {
    const stored = loaded.accounts.find(({ id }) => id === candidate.id);
    if (!stored) return { reason: 'disabled' as const };
    try {
      const opened = openAccount(platform, tenant, stored);
      const detail = opened.provider.findUnsupported(draft);
      if (detail !== undefined) return { reason: 'cannot_express' as const, detail };
      usable.set(candidate.id, opened);
      return undefined;
    } catch (error) {
      if (error instanceof PlatformError)
        return { reason: 'disabled' as const, detail: error.message };
      throw error;
    }
  };
  // A repeat goes where the call went: only there does its key mean anything.
  const wish = loaded.call ? { account: loaded.call.account_id } : resolveWish(message.routing);
  const decision = decideRoute(loaded.routable, message.mode, wish, refuses);
  const chosen = decision.chosen;
  const opened = chosen && usable.get(chosen.id);
  const stored = chosen && loaded.accounts.find(({ id }) => id === chosen.id);
  if (!opened || !stored) return { kind: 'failed', reason: 'no_route', detail: describe(decision) };
  const { html = '', text = '' } = rendered.parts;
  return {
    kind: 'ready',
    ledger,
    content,
    parts: rendered.parts,
    stored,
    usable: opened,
    repeatOf: loaded.call?.id,
    decision: {
      candidates: decision.candidates,
      chosen: chosen.id,
      honoursCallId: stored.honoursCallId,
      deliveryEvents: stored.deliveryEvents,
      renderedAt: renderedAt.toISOString(),
      renderMs: Math.round(rendered.ms * 10) / 10,
      sizeBytes: Buffer.byteLength(html) + Buffer.byteLength(text),
    },
  };
}

async function load(
  em: EntityManager,
  platform: Platform,
  tenant: TenantHandle,
  input: DeliverInput,
) {
  const ledger = await getLedger(em, tenant.id, input.messageId);
  const content = await getContent(em, tenant, input.messageId);
  const call: CallRow | undefined =
    input.step === 'repeat'
      ? ledger.calls.find(({ attempt }) => attempt === input.attempt)
      : undefined;
  return {
    ledger,
    content,
    call,
    source: await getPinnedSource(em, ledger, content),
    routable: await listRoutableAccounts(em),
    accounts: await em.findAll(ProviderAccount),
  };
}

export async function getContent(
  em: EntityManager,
  tenant: TenantHandle,
  messageId: string,
): Promise<StoredContent> {
  const [row] = await query<{ content_enc: Buffer }>(
    em,
    'SELECT content_enc FROM message_contents WHERE tenant_id = $1 AND message_id = $2',
    [tenant.id, messageId],
  );
  if (!row)
    throw new PlatformError('state_conflict', 'The content of this message is no longer stored.');
  return tenant.vault.openJson<StoredContent>('content', row.content_enc);
}

/** The source that was pinned when the message was accepted. */
export async function getPinnedSource(
  em: EntityManager,
  { message }: Pick<Ledger, 'message'>,
  content: StoredContent,
): Promise<{ parts: MailParts; cacheKey?: string }> {
  if (message.template_id === null || message.template_version === null) {
    const { subject = '', preheader, html, text } = content;
    return {
      parts: {
        subject,
        ...(preheader !== undefined && { preheader }),
        ...(html !== undefined && { html }),
        ...(text !== undefined && { text }),
      },
    };
  }
  const version = await em.findOneOrFail(TemplateVersion, {
    templateId: message.template_id,
    number: message.template_version,
  });
  return sourceOfVersion(version);
}

function describe(decision: RoutingDecision): string {
  return decision.candidates
    .map(({ name, excluded, detail }) => `${name}: ${detail ?? excluded ?? 'possible'}`)
    .join('; ');
}
