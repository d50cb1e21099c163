import type { EntityManager } from '@mikro-orm/postgresql';
import { toPublicId } from '../../domain/ids.ts';
import { addressKey } from '../../domain/address.ts';
import type { ProviderEvent } from '../../providers/provider.ts';
import { query } from '../../runtime/database.ts';
import { raiseAlarm } from '../alarm.ts';
import type { Platform, TenantHandle } from '../platform.ts';
import { getProvider } from '../providers/open-account.ts';
import { applyFacts, type MatchedEvent } from './apply-facts.ts';
import { storeEvents, type KnownEvent } from './event-store.ts';
import { matchEvents } from './match-events.ts';

interface InboxRow {
  id: string;
  account_id: string;
  provider: string;
  received_at: Date;
  body_enc: Buffer;
  failures: number;
}

const PAGE = 100;
const AT_ONCE = 4;

/**
 * Takes posts out of the inbox: each in one transaction becomes events, facts and statuses, and is gone. A post that
 * cannot be taken apart stays, is retried ever more slowly, and is logged.
 * @returns how many posts were due
 */
export async function applyInbox(platform: Platform): Promise<number> {
  const due = await platform.relay.transaction((em) =>
    query<{ tenant_id: string; id: string }>(
      em,
      `SELECT tenant_id, id FROM webhook_inbox WHERE retry_at <= now() ORDER BY id LIMIT ${PAGE}`,
    ),
  );
  const queue = [...due];
  const work = async () => {
    for (let post = queue.shift(); post; post = queue.shift())
      await applyPost(platform, post.tenant_id, post.id);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return due.length;
}

async function applyPost(platform: Platform, tenantId: string, id: string): Promise<void> {
  const tenant = await platform.getTenant(tenantId);
  try {
    const alarms = await platform.app.inTenant(tenantId, async (em) => {
      const [post] = await query<InboxRow>(
        em,
        'SELECT * FROM webhook_inbox WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED',
        [tenantId, id],
      );
      if (!post) return []; // somebody else has it
      const result = await applyEvents(em, platform, tenant, post);
      await query(em, 'DELETE FROM webhook_inbox WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
      platform.metrics.webhookAgeMs.observe(Date.now() - post.received_at.getTime());
      return result;
    });
    for (const { messageId, alarm } of alarms)
      await raiseAlarm(platform, tenant, alarm, { messageId });
  } catch (error) {
    platform.log.warn(
      { err: error, tenant: tenant.key, post: id },
      'a provider webhook could not be applied yet',
    );
    await putOff(platform, tenantId, id);
  }
}

async function putOff(platform: Platform, tenantId: string, id: string): Promise<void> {
  await platform.app.inTenant(tenantId, (em) =>
    query(
      em,
      `UPDATE webhook_inbox SET failures = failures + 1,
         retry_at = now() + least(power(2, failures), 3600) * interval '1 second'
       WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id],
    ),
  );
}

async function applyEvents(
  em: EntityManager,
  platform: Platform,
  tenant: TenantHandle,
  post: InboxRow,
) {
  const { webhook } = getProvider(post.provider);
  if (!webhook) throw new Error(`provider ${post.provider} has no webhooks`);
  const events = webhook.parse(tenant.vault.open('inbox', post.body_enc));
  const matches = await matchEvents(em, tenant, post.account_id, events);
  const account = { id: post.account_id, provider: post.provider };
  const stored = await storeEvents(
    em,
    tenant,
    account,
    events.map((event) => ({ event, match: matches.get(event), receivedAt: post.received_at })),
    platform.now(),
  );
  const matched: MatchedEvent[] = [];
  for (const event of stored) {
    platform.metrics.events.inc({ provider: post.provider, type: event.type });
    const match = matches.get(event);
    if (match) matched.push({ event: toKnown(event, tenant, post.received_at), match });
    else
      platform.log.debug(
        {
          tenant: tenant.key,
          account: toPublicId('providerAccount', post.account_id),
          type: event.type,
        },
        'an event matches nothing yet',
      );
  }
  await query(
    em,
    'UPDATE provider_accounts SET last_event_at = greatest(last_event_at, $3) WHERE tenant_id = $1 AND id = $2',
    [tenant.id, post.account_id, post.received_at],
  );
  return applyFacts(em, tenant.id, matched);
}

function toKnown(event: ProviderEvent, tenant: TenantHandle, receivedAt: Date): KnownEvent {
  return {
    id: '',
    type: event.type,
    at: Number.isNaN(event.at.getTime()) ? receivedAt : event.at,
    addressHash:
      event.email === undefined ? null : tenant.vault.hashAddress(addressKey(event.email)),
    callId: event.callId ?? null,
    providerMessageId: event.providerMessageId ?? null,
    bounceKind: event.bounceKind ?? null,
    reason: event.reason ?? null,
    machine: event.machine ?? null,
  };
}
